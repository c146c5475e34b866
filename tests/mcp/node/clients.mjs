// The TypeScript SDKs as clients: version 1 over stdio, version 2 over HTTP.
// Standard argument: a JSON list of {name, errand, command, args, env} or {name, errand, url, token}.
// Prints a JSON object: server name to what was seen. The SDKs themselves compare every structured
// result with the tool's output schema.
import { Client as Client2, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const ME = { name: "typescript", version: "1" };

function connection({ url, token, command, args, env }) {
  if (url) {
    const headers = { authorization: `Bearer ${token}` };
    const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
    return [new Client2(ME, { versionNegotiation: { mode: "auto" } }), transport];
  }
  return [new Client(ME), new StdioClientTransport({ command, args, env, stderr: "ignore" })];
}

async function visit(server) {
  const [client, transport] = connection(server);
  await client.connect(transport);
  try {
    const { tools } = await client.listTools();
    const read = await client.callTool({ name: server.errand.tool, arguments: server.errand.arguments });
    const refused = await client.callTool({ name: server.errand.tool, arguments: { confirm: true } });
    const { resources } = await client.listResources();
    const texts = [];
    for (const { uri } of resources) texts.push((await client.readResource({ uri })).contents[0].text);
    return {
      server: client.getServerVersion().name,
      instructions: client.getInstructions(),
      tools: tools.map((tool) => tool.name),
      read: { error: read.isError ?? false, structured: read.structuredContent, content: read.content },
      refused: { error: refused.isError ?? false, meta: refused._meta, content: refused.content },
      resources: texts,
    };
  } finally {
    await client.close();
  }
}

const servers = JSON.parse(process.argv[2]);
const seen = await Promise.all(servers.map(async (one) => [one.name, await visit(one)]));
console.log(JSON.stringify(Object.fromEntries(seen)));
