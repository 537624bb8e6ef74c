// @tus/server as its own documentation starts it: node tus-node-server.mjs PEERS PORT FOLDER
import { pathToFileURL } from "node:url";

const [peers, port, directory] = process.argv.slice(2);
const from = (name) => import(pathToFileURL(`${peers}/node_modules/@tus/${name}/dist/index.js`));
const { Server } = await from("server");
const { FileStore } = await from("file-store");

// Node 20's own fetch ends a response's stream a second time when the client leaves at the very end of a download, and nobody can
// catch that: the whole server would die of it. Whoever operates one has it restarted; here it goes on, and dies of all else.
process.on("uncaughtException", (error) => {
  console.error(error);
  if (error.code !== "ERR_INVALID_STATE") process.exit(1);
});

new Server({ path: "/files", datastore: new FileStore({ directory }) }).listen({ host: "127.0.0.1", port: Number(port) });
