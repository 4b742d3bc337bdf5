# The build stage fetches dependencies and bundles the page. The final image has no bundler and no
# page sources, and fetches nothing at startup.
FROM denoland/deno:2.9.6 AS build
WORKDIR /app
# Least often changed first, to reuse cached layers.
COPY deno.json deno.lock ./
COPY std std
COPY static/client/deno.json static/client/
# The first bundle fetches the bundler.
RUN deno install -q --frozen \
  && touch /tmp/nothing.ts && deno bundle -q -o /tmp/nothing.js /tmp/nothing.ts
COPY static static
COPY app app
COPY scripts scripts
COPY main.ts ./
RUN deno task -q build \
  && find static/client -name "*.ts" -delete \
  && rm -rf "$DENO_DIR"/dl "$DENO_DIR"/npm/*/@esbuild \
  && deno cache -q --frozen main.ts \
  && mv "$DENO_DIR"/npm /npm

FROM denoland/deno:2.9.6
WORKDIR /app
RUN mkdir data logs && chown deno:deno data logs
# Dependencies get a layer of their own, which is reused while only the chat changes.
COPY --from=build /npm /deno-dir/npm
COPY --from=build /deno-dir /deno-dir
COPY --from=build /app ./
USER deno
EXPOSE 8000
VOLUME ["/app/data", "/app/logs"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
  CMD ["deno", "run", "-q", "--no-prompt", "--cached-only", "--allow-net=127.0.0.1", "--allow-env", "main.ts", "health"]
CMD ["run", "-q", "--no-prompt", "--cached-only", "-P=start", "main.ts"]
