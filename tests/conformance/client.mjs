// A client that is not ours, from npm: it starts a refund by way of the skills, and follows it to its end.
// Usage: node client.mjs ORDER (http URL TOKEN | stdio COMMAND ARGUMENTS...). Prints one JSON document.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const [order, way, place, ...rest] = process.argv.slice(2);

function transport() {
  if (way === "stdio") return new StdioClientTransport({ command: place, args: rest, env: process.env });
  const headers = { authorization: `Bearer ${rest[0]}` };
  return new StreamableHTTPClientTransport(new URL(place), { requestInit: { headers } });
}

async function answer(client, name, args, options) {
  const result = await client.callTool({ name, arguments: args }, undefined, options);
  return result.isError ? { error: result.content[0].text } : result.structuredContent;
}

const client = new Client({ name: "front-desk", version: "1" }, { capabilities: { elicitation: {} } });
const asked = [];
client.setRequestHandler(ElicitRequestSchema, async (request) => {
  asked.push(request.params.message);
  return { action: "accept", content: { answer: "approve", approve: true } };
});
await client.connect(transport());
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const small = await answer(client, "refund", { order_id: order });
const told = [];
const onprogress = (progress) => told.push(progress.message);
const ended = await answer(client, "wait_for_run", { run: small.run }, { onprogress });
const large = await answer(client, "refund", { order_id: "A-18" });
const waits = await answer(client, "wait_for_run", { run: large.run });
const bare = await answer(client, "approve", { request: `${large.run}#1` });
const forged = await answer(client, "approve", { request: `${large.run}#1`, statement: { verdict: "approve" } });
const other = await answer(client, "refund", { order_id: order, limit_cents: 1 });
await client.close();
console.log(JSON.stringify({ tools, small, told, ended, large, waits, asked, bare, forged, other }));
process.exit(0);
