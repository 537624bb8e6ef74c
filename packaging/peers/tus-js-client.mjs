// tus-js-client as its own documentation uses it: node tus-js-client.mjs PEERS ENDPOINT TOKEN FILE STORE RETRIES CHUNK METADATA
// Prints where the upload is, and to standard error, as a line of JSON, what the transfer alone took. What was begun is remembered in STORE, and a later call with it goes on there.
import { createReadStream, statSync } from "node:fs";
import { createRequire } from "node:module";

const [peers, endpoint, token, file, store, retries, chunkSize, metadata] = process.argv.slice(2);
const tus = createRequire(`${peers}/`)("tus-js-client");
const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  metadata: JSON.parse(metadata),
  uploadSize: statSync(file).size,
  uploadDataDuringCreation: true,
  chunkSize: Number(chunkSize),
  retryDelays: Array(Number(retries)).fill(200),
  fingerprint: () => Promise.resolve(file),
  urlStorage: new tus.FileUrlStorage(store),
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: () => {
    const cpu = process.cpuUsage(used);
    const took = { seconds: (performance.now() - began) / 1000, cpu_s: (cpu.user + cpu.system) / 1e6 };
    console.error(JSON.stringify({ ...took, peak_rss_bytes: process.resourceUsage().maxRSS * 1024 }));
    console.log(upload.url);
    process.exit(0);
  },
});
const begun = await upload.findPreviousUploads();
if (begun.length > 0) upload.resumeFromPreviousUpload(begun[0]);
const [began, used] = [performance.now(), process.cpuUsage()];
upload.start();
