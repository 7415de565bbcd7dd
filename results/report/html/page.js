"use strict";
(() => {
	const form = document.getElementById("filter"), text = document.getElementById("text"), shown = document.getElementById("shown");
	const cells = [...document.querySelectorAll("details")], words = new Map(), rows = [...document.querySelectorAll("tbody tr:not(.series)")];
	for (const c of cells) words.set(c.id, (c.firstElementChild.textContent + " " + (c.querySelector(":scope>.r")?.textContent ?? "")).toLowerCase());
	const apply = () => {
		const want = text.value.toLowerCase(), on = new Set([...form.querySelectorAll("input:checked")].map(i => i.value));
		const visible = new Set(cells.filter(c => on.has(c.className) && words.get(c.id).includes(want)).map(c => c.id));
		for (const c of cells) c.classList.toggle("off", false), c.hidden = !visible.has(c.id);
		for (const r of rows) r.hidden = ![...r.querySelectorAll("a")].some(a => visible.has(decodeURIComponent(a.hash.slice(1))));
		for (const b of document.querySelectorAll("tbody")) b.hidden = ![...b.rows].some(r => !r.classList.contains("series") && !r.hidden);
		shown.value = visible.size === cells.length ? "" : visible.size + " of " + cells.length + " cells";
	};
	const open = () => {
		const at = document.getElementById(decodeURIComponent(location.hash.slice(1))), cell = at?.closest("details");
		if (!cell) return;
		cell.hidden = false;
		cell.open = true;
		at.scrollIntoView();
	};
	form.hidden = false;
	form.addEventListener("input", apply);
	form.addEventListener("submit", e => e.preventDefault());
	addEventListener("hashchange", open);
	open();
})();
