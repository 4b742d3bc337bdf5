// Stand-ins for official images where none can be fetched: made of Debian's packages and this Deno, each with the user, the
// folders, the variables and the first process that the official one has, and under its very name.

import type { Engine } from "./engine.ts";

const release = "bookworm";
const base = "debian:stand-in";
const certificates = "/etc/ssl/certs/ca-certificates.crt";

/** What an image is built of. */
interface Recipe {
  readonly dockerfile: string;
  /** Programs that are written here, by their names. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** Files of this machine, by the names that they get. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Has an image in the engine: the real one where it can be fetched, and else a stand-in. */
export async function provide(engine: Engine, image: string): Promise<void> {
  if ((await engine.try("docker", "pull", "-q", image)).success) return;
  const [name = ""] = image.split(":");
  const recipe = recipes[name];
  if (recipe === undefined) throw new Error(`Cannot stand in for ${image}: it has no recipe`);
  await provideBase(engine);
  const context = `${engine.dir}/${name.replaceAll("/", "-")}`;
  await Deno.mkdir(context);
  await Deno.writeTextFile(`${context}/Dockerfile`, `FROM ${base}\n${recipe.dockerfile}`);
  for (const [name, script] of Object.entries(recipe.scripts ?? {})) {
    await Deno.writeTextFile(`${context}/${name}`, script, { mode: 0o755 });
  }
  for (const [name, path] of Object.entries(recipe.files ?? {})) {
    await Deno.copyFile(await Deno.realPath(path), `${context}/${name}`);
  }
  await engine.run("docker", "build", "-q", "-t", image, context);
}

async function provideBase(engine: Engine): Promise<void> {
  if ((await engine.try("docker", "image", "inspect", base)).success) return;
  const system = `${engine.dir}/debian`;
  await engine.run("debootstrap", "--variant=minbase", release, system);
  await engine.run("sh", "-c", `tar -C ${system} -c --exclude='*.deb' . | docker import - ${base}`);
}

const install = "export DEBIAN_FRONTEND=noninteractive && apt-get update -qq" +
  " && apt-get install -y -qq --no-install-recommends";

const recipes: Readonly<Record<string, Recipe>> = {
  // With the machine's certificates besides, for the network inside.
  "denoland/deno": {
    files: {
      deno: Deno.execPath(),
      tini: "/usr/bin/tini-static",
      "certificates.crt": certificates,
    },
    scripts: {
      // Verbs of Deno are its, anything else is a program.
      "docker-entrypoint.sh": `#!/bin/sh
set -e
if deno "$1" --help >/dev/null 2>&1; then exec deno "$@"; fi
exec "$@"
`,
    },
    dockerfile:
      `RUN useradd --uid 1993 --user-group deno && mkdir /deno-dir && chown deno:deno /deno-dir
ENV DENO_DIR=/deno-dir/ DENO_INSTALL_ROOT=/usr/local DENO_CERT=/etc/certificates.crt
COPY certificates.crt /etc/
COPY tini /tini
COPY deno /usr/bin/deno
COPY docker-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["/tini", "--", "docker-entrypoint.sh"]
CMD ["eval", "console.log('Welcome to Deno!')"]
`,
  },
  redis: {
    scripts: {
      // The official server is built without the protected mode, which would refuse everybody from other containers.
      "redis-server": `#!/bin/sh
exec /usr/bin/redis-server --protected-mode no "$@"
`,
      // Started by root, the server steps down; options alone are the server's.
      "docker-entrypoint.sh": `#!/bin/sh
set -e
case "$1" in -* | *.conf) set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown -R redis .
  exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi
umask 0077
exec "$@"
`,
    },
    dockerfile:
      `RUN groupadd --system --gid 1000 redis && useradd --system --uid 999 --gid redis redis
RUN ${install} redis-server
RUN mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
COPY redis-server docker-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
EXPOSE 6379
CMD ["redis-server"]
`,
  },
  caddy: {
    // The capability on the file makes a container that may not have it fail to start, as it does with the official image.
    dockerfile: `RUN ${install} caddy libcap2-bin
RUN mkdir -p /config/caddy /data/caddy && setcap cap_net_bind_service=+ep /usr/bin/caddy
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
EXPOSE 80 443 443/udp 2019
WORKDIR /srv
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
`,
  },
};
