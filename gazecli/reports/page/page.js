// Shows the attention of the heads when a token was written: under the pointer, or with the arrow keys.
// Everything is in the page; without this script it still reads.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  function prepare(scene) {
    const data = JSON.parse(scene.querySelector("script[type='application/json']").textContent);
    const attention = data.texts.map((text) => ({ cells: bytes(text.cells), shares: bytes(text.shares) }));
    const canvas = scene.querySelector("canvas");
    const output = scene.querySelector("output");
    const pen = canvas.getContext("2d");
    const cells = (data.xs.length - 1) * (data.ys.length - 1);
    let focused = null;
    let shown = null;

    function veil(text, token) {
      const values = attention[text].cells.subarray(token * cells, (token + 1) * cells);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.fillStyle = getComputedStyle(scene).getPropertyValue("--veil").trim() || "#fff";
      const x = data.xs.map((share) => Math.round((share / 100) * canvas.width));
      const y = data.ys.map((share) => Math.round((share / 100) * canvas.height));
      let place = 0;
      for (let row = 0; row + 1 < y.length; row++)
        for (let column = 0; column + 1 < x.length; column++) {
          pen.globalAlpha = 0.86 * (1 - Math.sqrt(values[place++] / 255));
          pen.fillRect(x[column], y[row], x[column + 1] - x[column], y[row + 1] - y[row]);
        }
    }

    function describe(text, token, word) {
      const count = data.regions.length;
      const shares = attention[text].shares.subarray(token * count, (token + 1) * count);
      const best = data.regions
        .map((number, place) => [number, shares[place] / 255])
        .filter(([, share]) => share >= 0.05)
        .sort((one, other) => other[1] - one[1])
        .slice(0, 3)
        .map(([number, share]) => `region ${number} ${Math.round(share * 100)} %`);
      const where = best.length ? best.join(", ") : count ? "no region much" : "see the picture";
      output.textContent = `\u201c${word.trim()}\u201d, token ${token}: ${where}`;
    }

    // A strip wider than the window: the region with most attention scrolls into view.
    function reveal(text, token) {
      const frame = scene.querySelector(".frame");
      const count = data.regions.length;
      if (!count || frame.scrollWidth <= frame.clientWidth) return;
      const shares = [...attention[text].shares.subarray(token * count, (token + 1) * count)];
      const box = scene.querySelectorAll(".region")[shares.indexOf(Math.max(...shares))];
      frame.scrollLeft = box.offsetLeft + box.offsetWidth / 2 - frame.clientWidth / 2;
    }

    function show(node) {
      if (shown) shown.classList.remove("shown");
      shown = node;
      for (const box of scene.querySelectorAll(".region")) box.classList.remove("target");
      if (!node) {
        pen.clearRect(0, 0, canvas.width, canvas.height);
        output.textContent = output.dataset.hint;
        return;
      }
      node.classList.add("shown");
      const text = Number(node.parentElement.dataset.text);
      const token = Number(node.dataset.token);
      veil(text, token);
      describe(text, token, node.textContent);
      reveal(text, token);
      const target = node.parentElement.dataset.target;
      const box = target && scene.querySelector(`.region[data-number="${target}"]`);
      if (box) box.classList.add("target");
    }

    // A region lights its texts while it is pointed at; chosen, it shows them alone.
    const regions = [...scene.querySelectorAll("button.region")];
    const texts = [...scene.querySelectorAll(".text[data-target]")];
    const about = (text, region) => text.dataset.target === region.dataset.number;
    for (const region of regions) {
      const light = (on) => texts.forEach((text) => text.classList.toggle("lit", on && about(text, region)));
      region.addEventListener("pointerenter", () => light(true));
      region.addEventListener("pointerleave", () => light(false));
      region.addEventListener("focus", () => light(true));
      region.addEventListener("blur", () => light(false));
      region.addEventListener("click", () => {
        const chosen = region.getAttribute("aria-pressed") !== "true";
        for (const each of regions) each.setAttribute("aria-pressed", String(chosen && each === region));
        for (const text of texts) text.hidden = chosen && !about(text, region);
      });
    }

    const token = (event) => (event.target instanceof Element ? event.target.closest(".token") : null);
    scene.addEventListener("pointerover", (event) => token(event) && show(token(event)));
    scene.addEventListener("pointerout", (event) => token(event) && show(focused));
    scene.addEventListener("focusin", (event) => token(event) && show((focused = token(event))));
    scene.addEventListener("focusout", () => show((focused = null)));
    scene.addEventListener("keydown", (event) => {
      const here = token(event);
      if (!here) return;
      const all = [...here.parentElement.querySelectorAll(".token")];
      const place = all.indexOf(here);
      const next = {
        ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place - 1, ArrowUp: place - 1,
        Home: 0, End: all.length - 1,
      }[event.key];
      if (event.key === "Escape") here.blur();
      if (next === undefined || !all[next]) return;
      event.preventDefault();
      here.tabIndex = -1;
      here.setAttribute("aria-selected", "false");
      all[next].tabIndex = 0;
      all[next].setAttribute("aria-selected", "true");
      all[next].focus();
    });
    const choose = regions.length ? " Choose a region for its text alone." : "";
    output.dataset.hint = `Point at a word, or move along a text with the arrow keys.${choose}`;
    show(null);
  }

  document.querySelectorAll(".scene").forEach(prepare);
})();
