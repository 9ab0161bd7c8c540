// The settings of the next text, and the meters of attention on the target.

const byId = (id) => document.getElementById(id);

export class Settings {
  // `changed()` is called when the next text would be another one.
  constructor(about, changed) {
    const { defaults, headset, all_heads: allHeads, scopes } = about;
    this.suggested = headset.top;
    const top = byId("top");
    top.max = Math.max(1, Math.min(allHeads - 1, Math.max(32, 2 * headset.top)));
    top.value = headset.top;
    const strength = byId("strength");
    // A suggested strength may lie outside of what is sensible to try by hand.
    if (typeof defaults.strength === "number") {
      strength.min = Math.min(strength.min, defaults.strength);
      strength.max = Math.max(strength.max, defaults.strength);
    }
    strength.value = defaults.strength;
    byId("prompt").value = defaults.prompt;
    byId("scope").replaceChildren(...scopes.map((scope) => new Option(scope, scope, false, scope === defaults.scope)));
    this.show();
    byId("controls").addEventListener("input", () => this.show());
    byId("controls").addEventListener("change", changed);
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    byId("overlay").addEventListener("change", changed);
  }

  get heads() {
    return document.querySelector("[name=heads]:checked").value;
  }

  show() {
    const top = byId("top");
    byId("top-number").textContent = top.value;
    byId("strength-number").textContent = byId("strength").value;
    const steered = this.heads !== "nobody";
    top.disabled = this.heads === "all";
    for (const id of ["strength", "scope"]) byId(id).disabled = !steered;
  }

  values() {
    const values = {
      heads: this.heads,
      top: Number(byId("top").value),
      strength: Number(byId("strength").value),
      scope: byId("scope").value,
      max_new_tokens: Math.max(1, Math.round(Number(byId("length").value)) || 96),
      overlay: true,
    };
    const prompt = byId("prompt").value.trim();
    return prompt ? { ...values, prompt } : values;
  }
}

const percent = (share) => (share === undefined ? "\u2013" : `${Math.round(100 * share)} %`);

// Show how much of the heads' attention is on the target, unsteered and now.
export function showMeters(name, before, after) {
  byId("target").textContent = name;
  for (const [id, share] of [["before", before], ["after", after]]) {
    byId(id).style.width = `${100 * (share ?? 0)}%`;
    byId(`${id}-number`).textContent = percent(share);
  }
}
