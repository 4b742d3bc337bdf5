// A floor: the cost of a POST without a chat. Reads the body as text and returns it as JSON.

Deno.serve(
  { hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} },
  async (request) => Response.json({ text: await request.text() }, { status: 201 }),
);
