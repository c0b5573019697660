// The server's API: requests with the token, uploads with progress, and events of a job.

import {askForToken} from "./dialogs.js";

const ROOT = "api/v1";
const TOKEN = "pneumoseg-token";
const BUSY = [429, 503];

class Refusal extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

let asking = null;

// Asks once, however many requests were refused meanwhile. Resolves to whether there is another token now.
function newToken(refused) {
  if (refused !== sessionStorage.getItem(TOKEN)) return Promise.resolve(true);
  asking ??= askForToken(refused !== null).then((token) => {
    asking = null;
    if (token) sessionStorage.setItem(TOKEN, token);
    return Boolean(token);
  });
  return asking;
}

const authorization = (token) => (token === null ? {} : {Authorization: `Bearer ${token}`});

function sentenceOf(status, text) {
  try {
    const {error} = JSON.parse(text);
    if (typeof error === "string") return error;
  } catch { /* no JSON: an answer of something between page and server */ }
  return `The server answered ${status}.`;
}

export async function request(path, {headers = {}, ...options} = {}) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const answer = await fetch(`${ROOT}/${path}`, {...options, headers: {...headers, ...authorization(token)}});
    if (answer.ok) return answer;
    if (answer.status === 401 && await newToken(token)) continue;
    throw new Refusal(answer.status, sentenceOf(answer.status, await answer.text()));
  }
}

export const getJson = async (path, options) => (await request(path, options)).json();

export const job = (id, options) => getJson(jobPath(id), options);

export const jobPath = (id) => `jobs/${encodeURIComponent(id)}`;

const resultPath = (id, name) => `${jobPath(id)}/results/${encodeURIComponent(name)}`;

export const results = (id, options) => getJson(`${jobPath(id)}/results`, options);

export const resultJson = (id, name, options) => getJson(resultPath(id, name), options);

export async function resultBuffer(id, name, options) {
  return (await request(resultPath(id, name), options)).arrayBuffer();
}

export async function resultBlob(id, name, options) {
  return (await request(resultPath(id, name), options)).blob();
}

// Sends one file as it is, several as a form; `onProgress` is told the share that was sent. Resolves to the job.
export async function send(path, files, query, onProgress) {
  const parameters = new URLSearchParams(query);
  let body = files[0];
  if (files.length === 1) {
    parameters.set("filename", files[0].name);
  } else {
    body = new FormData();
    for (const file of files) body.append("file", file, file.name);
  }
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const {status, text} = await post(`${ROOT}/${path}?${parameters}`, body, token, onProgress);
    if (status >= 200 && status < 300) return JSON.parse(text);
    if (status === 401 && await newToken(token)) continue;
    throw new Refusal(status, sentenceOf(status, text));
  }
}

function post(url, body, token, onProgress) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest(); // fetch does not tell how much was sent
    sending.open("POST", url);
    for (const [name, value] of Object.entries(authorization(token))) sending.setRequestHeader(name, value);
    if (!(body instanceof FormData)) sending.setRequestHeader("Content-Type", "application/octet-stream");
    sending.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    sending.addEventListener("load", () => resolve({status: sending.status, text: sending.responseText}));
    sending.addEventListener("error", () => reject(new Error("The upload broke off.")));
    sending.send(body);
  });
}

// The job at each change until it ends. A broken connection is taken up again.
export async function* jobChanges(id, signal) {
  let wait = 500;
  for (;;) {
    try {
      const answer = await request(`${jobPath(id)}/events`, {signal});
      let rest = "";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const {done, value} = await reader.read();
        if (done) break;
        const lines = (rest + value).split(/\r?\n/);
        rest = lines.pop();
        for (const line of lines.filter((one) => one.startsWith("data:"))) {
          const now = JSON.parse(line.slice(5));
          yield now;
          if (hasEnded(now)) return;
          wait = 500;
        }
      }
    } catch (error) {
      if (signal.aborted || (error instanceof Refusal && !BUSY.includes(error.status))) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(2 * wait, 10000);
  }
}

export const hasEnded = ({state}) => ["finished", "failed", "cancelled"].includes(state);
