// @tus/server as its own documentation starts it: node tus-node-server.mjs PEERS PORT FOLDER
import { pathToFileURL } from "node:url";

const [peers, port, directory] = process.argv.slice(2);
const from = (name) => import(pathToFileURL(`${peers}/node_modules/@tus/${name}/dist/index.js`));
const { Server } = await from("server");
const { FileStore } = await from("file-store");
new Server({ path: "/files", datastore: new FileStore({ directory }) }).listen({ host: "127.0.0.1", port: Number(port) });
