// The record: what the pointer did as a schedule, and as lines that do it again.

const byId = (id) => document.getElementById(id);
const BUTTONS = ["copy-command", "copy-python", "save"];

export class Record {
  // `session()` is the present session; `stop()` ends its text, and resolves when it is whole.
  constructor({ session, stop, failed }) {
    this.kept = null;
    byId("keep").addEventListener("click", async () => {
      try {
        await stop();
        this.show(await session().ask("record"));
      } catch (error) {
        failed(error);
      }
    });
    byId("copy-command").addEventListener("click", () => this.copy("command", "The command"));
    byId("copy-python").addEventListener("click", () => this.copy("python", "The script"));
    byId("save").addEventListener("click", async () => {
      try {
        save(await session().ask("page", undefined, "blob"), "gaze.html");
        byId("copied").textContent = "The page is saved as gaze.html.";
      } catch (error) {
        failed(error);
      }
    });
  }

  forget() {
    this.kept = null;
    for (const id of BUTTONS) byId(id).disabled = true;
    byId("schedule").replaceChildren();
    byId("command").hidden = true;
    byId("copied").textContent = "";
  }

  show(record) {
    this.kept = record;
    for (const id of BUTTONS) byId(id).disabled = false;
    byId("schedule").replaceChildren(
      ...record.schedule.map(({ token, region }) =>
        Object.assign(document.createElement("li"), {
          textContent: `token ${token}: ${/^\d+$/.test(region) ? `panel ${region}` : region}`,
        }),
      ),
    );
    byId("command").textContent = record.command;
    byId("command").hidden = false;
    byId("copied").textContent = `${record.tokens} tokens are recorded.`;
  }

  async copy(key, name) {
    const shown = byId("command");
    shown.textContent = this.kept[key];
    try {
      await navigator.clipboard.writeText(this.kept[key]);
      byId("copied").textContent = `${name} is copied.`;
    } catch {
      getSelection().selectAllChildren(shown);
      byId("copied").textContent = `${name} is selected: copy it from here.`;
    }
  }
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
