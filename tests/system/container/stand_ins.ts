// Stand-ins for official images, for machines that cannot pull them. Each is built from Debian
// packages and this Deno executable, with the official image's name, user, folders, environment
// variables and entrypoint.

import type { Engine } from "./engine.ts";

const release = "bookworm";
const base = "debian:stand-in";
const certificates = "/etc/ssl/certs/ca-certificates.crt";

/** How to build an image. */
interface Recipe {
  readonly dockerfile: string;
  /** Executable scripts: file name to text. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** Files to copy into the build context: name there to path on this machine. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Pulls an image into the engine, or builds its stand-in if it can't be pulled. */
export async function provideImage(engine: Engine, image: string): Promise<void> {
  if ((await engine.try("docker", "pull", "-q", image)).success) return;
  const [name = ""] = image.split(":");
  const recipe = recipes[name];
  if (recipe === undefined) throw new Error(`Cannot pull ${image}, and it has no stand-in`);
  await provideBase(engine);
  const contextDir = `${engine.dir}/${name.replaceAll("/", "-")}`;
  await Deno.mkdir(contextDir);
  await Deno.writeTextFile(`${contextDir}/Dockerfile`, `FROM ${base}\n${recipe.dockerfile}`);
  for (const [name, script] of Object.entries(recipe.scripts ?? {})) {
    await Deno.writeTextFile(`${contextDir}/${name}`, script, { mode: 0o755 });
  }
  for (const [name, path] of Object.entries(recipe.files ?? {})) {
    await Deno.copyFile(await Deno.realPath(path), `${contextDir}/${name}`);
  }
  await engine.run("docker", "build", "-q", "-t", image, contextDir);
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
  // Also contains this machine's CA certificates, so that the build can use its network.
  "denoland/deno": {
    files: {
      deno: Deno.execPath(),
      tini: "/usr/bin/tini-static",
      "certificates.crt": certificates,
    },
    scripts: {
      // Runs Deno's subcommands with Deno, and anything else as a program.
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
      // The official image turns off protected mode, which would refuse connections from other
      // containers.
      "redis-server": `#!/bin/sh
exec /usr/bin/redis-server --protected-mode no "$@"
`,
      // Drops root privileges. Arguments that start with an option or a config file go to
      // redis-server.
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
    // As in the official image, the program has a file capability, so it fails to start in a
    // container that drops that capability.
    dockerfile: `RUN ${install} caddy libcap2-bin
RUN mkdir -p /config/caddy /data/caddy && setcap cap_net_bind_service=+ep /usr/bin/caddy
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
EXPOSE 80 443 443/udp 2019
WORKDIR /srv
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
`,
  },
};
