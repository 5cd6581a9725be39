// The sight follows every tick. Without this script the button beside it does the same.
"use strict";
(() => {
  const form = document.getElementById("tisch");
  const sight = document.getElementById("sicht");
  const told = document.getElementById("neu");
  if (!form || !sight || !told) return;
  form.querySelector(".noscript").hidden = true;
  let asked = 0, timer = 0;

  const open = () => new Set([...sight.querySelectorAll("details[open]")].map((one) => one.dataset.anchor));

  const show = async () => {
    const mine = ++asked;
    sight.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.dataset.sight, {
        method: "POST",
        headers: { "X-Part": "sight" },
        body: new URLSearchParams(new FormData(form)),
      });
      const text = await answer.text();
      if (!answer.ok || mine !== asked) return;
      const were = open();
      sight.innerHTML = text;
      for (const one of sight.querySelectorAll("details")) one.open = were.has(one.dataset.anchor);
      told.textContent = "";
      setTimeout(() => { told.textContent = told.dataset.said; }, 50);
    } catch {
      form.querySelector(".noscript").hidden = false;
    } finally {
      if (mine === asked) sight.removeAttribute("aria-busy");
    }
  };

  form.addEventListener("change", (event) => {
    if (!event.target.closest(".ask")) return;
    clearTimeout(timer);
    timer = setTimeout(show, 120);
  });
})();
