// Tests the unmodified Dockerfile and compose file in a real engine. Runs only with DOCKER=1,
// because it installs that engine. Both setups share one engine and run one after the other.

import { Engine } from "./engine.ts";
import { testScaledContainers } from "./scaled_containers.ts";
import { testSingleContainer } from "./single_container.ts";
import { provideImage } from "./stand_ins.ts";

const root = new URL("../../../", import.meta.url);

Deno.test("the containers", { ignore: Deno.env.get("DOCKER") !== "1" }, async (t) => {
  await using engine = await Engine.start();
  for (const image of await referencedImages()) await provideImage(engine, image);
  await t.step("docker-compose up", (t) => testSingleContainer(t, engine));
  await t.step(
    "docker-compose --profile cluster up --scale chat=3",
    (t) => testScaledContainers(t, engine),
  );
});

/** Returns the names of the images that the Dockerfile and the compose file pull. */
async function referencedImages(): Promise<ReadonlySet<string>> {
  const dockerfile = await Deno.readTextFile(new URL("Dockerfile", root));
  const compose = await Deno.readTextFile(new URL("docker-compose.yml", root));
  const bases = dockerfile.matchAll(/^FROM (\S+)/gm);
  const services = compose.matchAll(/^ +image: (\S+:\S+)$/gm);
  return new Set([...bases, ...services].map(([, image = ""]) => image));
}
