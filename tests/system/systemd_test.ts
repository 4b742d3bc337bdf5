// docs/examples/parley.service and its drop-ins, checked by systemd-analyze where it is installed.

import { assertEquals } from "@std/assert";

const examples = new URL("../../docs/examples/", import.meta.url).pathname;

Deno.test({
  name: "docs/examples/parley.service is a valid unit, alone and with each drop-in",
  ignore: !isInstalled("systemd-analyze"),
  async fn() {
    for (const dropIns of [[], ["parley-deno.conf"], ["parley-tls.conf"]]) {
      const dir = await Deno.makeTempDir();
      try {
        await Deno.mkdir(`${dir}/parley.service.d`);
        const copy = async (name: string, folder: string) => {
          const text = await Deno.readTextFile(examples + name);
          // The programs may be elsewhere on this machine.
          const present = text.replaceAll(/^ExecStart=\/\S+/gm, `ExecStart=${Deno.execPath()}`);
          await Deno.writeTextFile(`${dir}/${folder}${name}`, present);
        };
        await copy("parley.service", "");
        for (const name of dropIns) await copy(name, "parley.service.d/");
        const { code, stderr } = await new Deno.Command("systemd-analyze", {
          args: ["verify", `${dir}/parley.service`],
        }).output();
        assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
      } finally {
        await Deno.remove(dir, { recursive: true });
      }
    }
  },
});

function isInstalled(program: string): boolean {
  const args = ["-c", `command -v ${program}`];
  return new Deno.Command("sh", { args, stdout: "null" }).outputSync().success;
}
