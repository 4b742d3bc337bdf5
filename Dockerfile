# The build stage fetches dependencies and bundles the page. The final image has no bundler and no
# page sources, and fetches nothing at startup.
FROM denoland/deno:2.9.6 AS build
WORKDIR /app
# Least often changed first, to reuse cached layers.
COPY deno.json deno.lock ./
COPY std std
COPY static/client/deno.json static/client/
COPY static/client/worker/deno.json static/client/worker/
RUN deno install -q --frozen
COPY static static
COPY app app
COPY scripts scripts
COPY main.ts ./
# Fetches the bundler and checks its hash.
RUN deno run -q -A --no-config --no-lock scripts/prepare.ts \
  && deno task -q build \
  && find static/client -name "*.ts" -delete \
  && rm -rf "$DENO_DIR"/dl "$DENO_DIR"/npm/*/@esbuild \
  && deno cache -q --frozen main.ts \
  && deno cache -q --no-config --no-lock scripts/launch.ts \
  && mv "$DENO_DIR"/npm /npm

FROM denoland/deno:2.9.6
LABEL org.opencontainers.image.title="Parley" \
  org.opencontainers.image.description="A small chat server" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.licenses="MIT"
WORKDIR /app
RUN mkdir data logs && chown deno:deno data logs
# Dependencies get their own layer, which is reused as long as only the chat changes.
COPY --from=build /npm /deno-dir/npm
COPY --from=build /deno-dir /deno-dir
COPY --from=build /app ./
# Puts the commands parley and parley-health on the path.
ENV PATH=/app/scripts/container:$PATH HEALTH_FILE=/tmp/parley-health
USER deno
EXPOSE 8000
VOLUME ["/app/data", "/app/logs"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["parley-health"]
# -s: no warning if docker run --init starts another init first.
ENTRYPOINT ["/tini", "-s", "--", "parley"]
