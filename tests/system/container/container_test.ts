// The containers, proven in a real engine on the unchanged files. It installs that engine, so it runs only where DOCKER=1 asks.
// One engine has both ways to start them, one after the other: two would be in each other's way.

import { Engine } from "./engine.ts";
import { manyNodes } from "./scaled_containers.ts";
import { oneServer } from "./single_container.ts";
import { provide } from "./stand_ins.ts";

const root = new URL("../../../", import.meta.url);

Deno.test("The containers", { ignore: Deno.env.get("DOCKER") !== "1" }, async (t) => {
  await using engine = await Engine.start();
  for (const image of await imagesAskedFor()) await provide(engine, image);
  await t.step("docker-compose up", (t) => oneServer(t, engine));
  await t.step("docker-compose --profile cluster up --scale chat=3", (t) => manyNodes(t, engine));
});

/** The images that are fetched from elsewhere, by the names that the files give. */
async function imagesAskedFor(): Promise<ReadonlySet<string>> {
  const dockerfile = await Deno.readTextFile(new URL("Dockerfile", root));
  const services = await Deno.readTextFile(new URL("docker-compose.yml", root));
  const bases = dockerfile.matchAll(/^FROM (\S+)/gm);
  const servers = services.matchAll(/^ +image: (\S+:\S+)$/gm);
  return new Set([...bases, ...servers].map(([, image = ""]) => image));
}
