// The server: requests with the token of the opened address, and the stream of events of a session.

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

export class ServerError extends Error {
  constructor(error, status) {
    super(error.message);
    this.code = error.code;
    this.hint = error.hint;
    this.status = status;
  }
}

// The answer to a request, as JSON, or as a blob; a body makes it a POST.
export async function ask(path, body, as = "json") {
  const headers = { "X-Gaze-Token": token };
  const options = { headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.method = "POST";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (!answer.ok) throw new ServerError((await answer.json()).error, answer.status);
  return answer[as]();
}

// One tab's session. `heard` is called with the name and the data of every event.
export class Session {
  constructor(opened) {
    this.id = opened.session;
    this.opened = opened;
    this.closing = new AbortController();
    this.next = null;
    this.sending = false;
  }

  static async open(body) {
    return new Session(await ask("/live/sessions", body));
  }

  ask(name, body, as) {
    return ask(`/live/sessions/${this.id}/${name}`, body, as);
  }

  // Read events until the session is closed, or the server leaves.
  async listen(heard) {
    const answer = await fetch(`/live/sessions/${this.id}/events`, {
      headers: { "X-Gaze-Token": token },
      signal: this.closing.signal,
    });
    if (!answer.ok) throw new ServerError((await answer.json()).error, answer.status);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const lines = block.split("\n");
        const data = lines.find((line) => line.startsWith("data: "));
        const name = lines.find((line) => line.startsWith("event: "));
        if (data && name) heard(name.slice(7), JSON.parse(data.slice(6)));
      }
    }
  }

  // Send an aim. While one is under way only the newest of those that follow is kept.
  async aim(region, failed) {
    this.next = region;
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.next !== null) {
        const newest = this.next;
        this.next = null;
        await this.ask("aim", { region: newest });
      }
    } catch (error) {
      failed(error);
    } finally {
      this.sending = false;
    }
  }

  close() {
    this.closing.abort();
  }
}
