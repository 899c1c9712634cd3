// A client that is not ours, from npm, for each call that a line of its input asks for.
// Usage: node calls.mjs URL. A line in: {"token", "tool", "given"}. A line out: {"said"}, or {"error"}.
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

async function call({ token, tool, given }) {
  const client = new Client({ name: "front-desk", version: "1" });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2]), { requestInit: { headers } }));
  try {
    await client.listTools(); // from now on what is answered is held against what is published
    const result = await client.callTool({ name: tool, arguments: given });
    return result.isError ? { error: result.content[0].text } : { said: result.structuredContent };
  } finally {
    await client.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = await call(JSON.parse(line)).catch((error) => ({ error: String(error) }));
  console.log(JSON.stringify(told));
}
process.exit(0);
