// What a POST costs without a chat: reads the body as text and returns it as JSON.

Deno.serve(
  { hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} },
  async (request) => Response.json({ text: await request.text() }, { status: 201 }),
);
