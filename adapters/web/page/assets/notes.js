// Notes that stay on this device. It is loaded by the page with the notes, the one that shows a new code, and the two that erase. Nothing here
// sends anything, and the page's Content-Security-Policy would let nothing out.
//
// In localStorage, under "samtykke.notes", stands a list of books, one for each code that was used here:
//
//	salt     for PBKDF2 (SHA-256, 600,000 rounds) over the code; it also names the book
//	iv       of the last sealing, drawn anew for each
//	sealed   AES-GCM of the notes as JSON: [{at, text}]
//	instead  of a book that was made for a new code: the salt of the one it takes the place of
//
// A book made for a new code takes the place of the old one when it is first opened, and so not before the new code is in use.
"use strict";
(() => {
	const place = "samtykke.notes", rounds = 600000, alphabet = "0123456789ACDEFGHJKMNPQRTVWXY", size = 24, labelSize = 6;
	const lookAlike = { B: "8", I: "1", L: "1", O: "0", "Ø": "0", S: "5", U: "V", Z: "2" };

	const at = (id) => document.getElementById(id);
	const show = (id, yes) => { at(id).hidden = !yes; };
	const only = (shown, ...ids) => ids.forEach((id) => show(id, id === shown));

	const toText = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
	const toBytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

	const books = () => JSON.parse(localStorage.getItem(place) || "[]");
	const keep = (all) => localStorage.setItem(place, JSON.stringify(all));

	// codeOf reads a code as people type it; null where a check character says that it is mistyped.
	const codeOf = (typed) => {
		const code = Array.from(typed.toUpperCase().replace(/[\s\p{Pd}\p{Cf}\u2212\u2043]/gu, ""), (c) => lookAlike[c] || c);
		const values = code.map((c) => alphabet.indexOf(c));
		const sum = (of, weight) => of.reduce((all, v, i) => all + weight(i) * v, 0) % alphabet.length;
		const fits = code.length === size && !values.includes(-1) &&
			sum(values.slice(0, labelSize), (i) => i + 1) === 0 && sum(values, (i) => size - i) === 0;
		return fits ? code.join("") : null;
	};

	const keyOf = async (code, salt) => crypto.subtle.deriveKey(
		{ name: "PBKDF2", hash: "SHA-256", salt: toBytes(salt), iterations: rounds },
		await crypto.subtle.importKey("raw", new TextEncoder().encode(code), "PBKDF2", false, ["deriveKey"]),
		{ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);

	const seal = async (key, notes) => {
		const iv = crypto.getRandomValues(new Uint8Array(12));
		const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(JSON.stringify(notes)));
		return { iv: toText(iv), sealed: toText(new Uint8Array(sealed)) };
	};

	// open finds the book that the code opens, the newest first; null where there is none.
	const open = async (code) => {
		for (const b of books().reverse()) {
			const key = await keyOf(code, b.salt);
			try {
				const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: toBytes(b.iv) }, key, toBytes(b.sealed));
				return { salt: b.salt, instead: b.instead, key, notes: JSON.parse(new TextDecoder().decode(plain)) };
			} catch (e) {
				if (e.name !== "OperationError") throw e;
			}
		}
		return null;
	};

	const begin = async (code, notes) => {
		const salt = toText(crypto.getRandomValues(new Uint8Array(16)));
		return { salt, key: await keyOf(code, salt), notes };
	};

	// write seals a book, and drops the one it takes the place of and those that were to take its own place.
	const write = async (book) => {
		const sealed = await seal(book.key, book.notes);
		keep([...books().filter((b) => b.salt !== book.salt && b.salt !== book.instead && b.instead !== book.salt), { salt: book.salt, ...sealed }]);
		delete book.instead;
	};

	const able = () => {
		try {
			books();
			return Boolean(window.crypto && crypto.subtle);
		} catch {
			return false;
		}
	};

	// asking has a field for a code and a button do something with the code, once at a time.
	const asking = (field, button, errors, act) => {
		const run = async () => {
			only("", ...errors);
			const code = codeOf(at(field).value);
			if (!code) return only("mistyped", ...errors);
			at(button).disabled = true;
			show("busy", true);
			try {
				await act(code);
			} finally {
				show("busy", false);
				at(button).disabled = false;
			}
		};
		at(button).addEventListener("click", run);
		at(field).addEventListener("keydown", (e) => { if (e.key === "Enter") run(); });
	};

	const notesPage = () => {
		if (!able()) return show("unable", true);
		let book = null, typed = "";

		const list = () => {
			at("list").replaceChildren(...book.notes.map((note, i) => {
				const item = document.createElement("li"), time = document.createElement("time"), text = document.createElement("p"), remove = document.createElement("button");
				item.className = "card";
				time.dateTime = note.at;
				time.className = "soft";
				time.id = "note-" + i;
				time.textContent = new Date(note.at).toLocaleString(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });
				text.className = "text";
				text.textContent = note.text;
				remove.type = "button";
				remove.className = "quiet";
				remove.textContent = at("opened").dataset.remove;
				remove.setAttribute("aria-describedby", time.id);
				remove.addEventListener("click", () => { if (confirm(at("opened").dataset.sure)) change(book.notes.filter((n) => n !== note)).then(() => at("list-title").focus()); });
				item.append(time, text, remove);
				return item;
			}).reverse());
			show("none", book.notes.length === 0);
		};
		const change = async (notes) => {
			const before = book.notes;
			book.notes = notes;
			try {
				await write(book);
			} catch {
				book.notes = before;
				show("full", true);
				return false;
			}
			show("full", false);
			list();
			return true;
		};
		const enter = (opened) => {
			book = opened;
			at("own-code").value = typed = "";
			only("opened", "locked", "opened");
			show("begin-button", false);
			list();
			at("new-note").focus();
		};

		asking("own-code", "open-button", ["mistyped", "wrong"], async (code) => {
			const opened = await open(code) || (books().length === 0 ? await begin(code, []) : null);
			if (opened && opened.instead) await write(opened);
			if (opened) return enter(opened);
			typed = code;
			show("wrong", true);
			show("begin-button", true);
		});
		at("begin-button").addEventListener("click", async () => enter(await begin(typed, [])));
		at("add-button").addEventListener("click", async () => {
			const text = at("new-note").value.trim();
			show("added", false);
			if (text && await change([...book.notes, { at: new Date().toISOString(), text }])) {
				at("new-note").value = "";
				show("added", true);
			}
		});
		at("lock-button").addEventListener("click", () => {
			book = null;
			at("list").replaceChildren();
			at("new-note").value = "";
			show("added", false);
			only("locked", "locked", "opened");
			at("own-code").focus();
		});
		show("locked", true);
	};

	const codePage = () => {
		if (!able() || books().length === 0) return;
		asking("old-code", "move-button", ["mistyped", "wrong", "full", "moved"], async (code) => {
			const old = await open(code);
			if (!old) return show("wrong", true);
			const next = await begin(codeOf(at("new-code").textContent), old.notes);
			try {
				keep([...books().filter((b) => b.instead !== old.salt), { salt: next.salt, instead: old.salt, ...await seal(next.key, next.notes) }]);
			} catch {
				return show("full", true);
			}
			at("old-code").value = "";
			show("moved", true);
		});
		show("move", true);
	};

	// The page that erases everything finds the book that the code opens; the page that says it is done takes that book away.
	const erasing = "samtykke.erasing";
	const erasePage = () => at("erase").addEventListener("submit", async (event) => {
		const form = event.target, code = codeOf(at("code").value);
		if (form.dataset.sure || !code || !able()) return;
		event.preventDefault();
		const book = await open(code);
		if (book) sessionStorage.setItem(erasing, book.salt);
		form.dataset.sure = "yes";
		form.requestSubmit();
	});
	const erasedPage = () => {
		const salt = sessionStorage.getItem(erasing);
		sessionStorage.removeItem(erasing);
		if (salt) keep(books().filter((b) => b.salt !== salt && b.instead !== salt));
	};

	if (at("locked")) notesPage(); else if (at("erase")) erasePage(); else if (at("erased")) erasedPage(); else codePage();
})();
