# The chat as a container: dependencies first, since they change least, then the program; nothing is fetched when it starts.
FROM denoland/deno:2.9.6

WORKDIR /app
COPY deno.json deno.lock ./
COPY std std
COPY static/client/deno.json static/client/deno.json
RUN deno install --frozen

COPY . .
# Fetches the bundler and checks that the page builds, and leaves folders that the server may write.
RUN deno task -q build \
  && mkdir -p data logs \
  && chown -R deno:deno data logs

USER deno
EXPOSE 8000
VOLUME ["/app/data", "/app/logs"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
  CMD ["deno", "run", "-q", "--no-prompt", "--cached-only", "--allow-net=127.0.0.1", "main.ts", "health"]
CMD ["run", "-q", "--no-prompt", "--cached-only", "-P=start", "main.ts"]
