// Submits a photo with the built client and follows it to its end. Arguments: the client's module, the gateway's address,
// a token, a photo. Prints one JSON object.
import { openAsBlob } from "node:fs";

const [module, baseUrl, token, photo] = process.argv.slice(2);
const { createClient } = await import(module);

const polls = [];
const watchedFetch = (url, init) => {
  if (String(url).includes("/api/v2/events")) polls.push(url);
  return fetch(url, init);
};
const states = [];
const client = createClient({ baseUrl, token: () => token, environment: { fetch: watchedFetch } });
client.connection.watch(() => states.push(client.state));
const connected = new Promise((resolve) => {
  client.connection.watch(() => client.isConnected && resolve());
});
client.connect();
await connected;

const updates = [];
const image = await openAsBlob(photo, { type: "image/png" });
const { task_id: taskId } = await client.submit(image, { filename: "mug.png", engine: "local", size_px: 100 });
const done = await new Promise((resolve, reject) => {
  client.subscribe(taskId, {
    onUpdate: (task) => updates.push(task.data.status),
    onComplete: resolve,
    onFailed: (task) => reject(new Error(task.data.error_message)),
  });
});
const picture = await fetch(done.data.result_image_url);
const file = await client.download(done);
const input = await client.download(taskId, { image: "input" });
const invalid = await client.refresh(1.5).catch((error) => error.name);
const skew = Math.abs(client.http.serverTime() - Date.now());
const listed = (await client.http.list()).tasks.map((task) => task.task_id);
const again = await client.http.retry(taskId);
const retried = await client.http.get(again.task_id);
const { token: socketToken } = await client.http.wsToken();
const refused = await client.http.get(1e9).catch((error) => ({ status: error.status, code: error.code }));
client.close();
const latency = client.latency();
console.log(
  JSON.stringify({
    taskId,
    updates,
    status: done.data.status,
    filename: done.data.filename,
    files: [file, input].map(({ name, type, size }) => ({ name, type, size })),
    invalid,
    skew,
    picture: { status: picture.status, type: picture.headers.get("content-type") },
    listed,
    retried: retried.task_id,
    socketToken: socketToken.length > 0,
    refused,
    polls: polls.length,
    states,
    latency,
  }),
);
