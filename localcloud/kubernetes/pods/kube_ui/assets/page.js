// Search while typing, and read the page again every ten seconds. Without this file the form and the
// link "Refresh" do the same by loading the page.
'use strict';

const EVERY = 10000;
const live = document.getElementById('live');

function search() {
  const field = document.querySelector('input[name=q]');
  if (!field) return;
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.querySelectorAll('tbody tr')) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
}

// Take the sections of a new copy of this page; what the user types or has opened stays.
async function refresh() {
  let reply;
  try {
    reply = await fetch(location.href, { headers: { accept: 'text/html' } });
  } catch {
    return; // the cluster does not answer now; the next attempt may
  }
  if (!reply.ok) return location.reload();
  const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
  const fresh = page.querySelectorAll('main section');
  const shown = document.querySelectorAll('main section');
  if (fresh.length !== shown.length) return location.reload();
  shown.forEach((section, number) => section.replaceWith(fresh[number]));
  search();
}

document.addEventListener('input', (event) => {
  if (event.target.name === 'q') search();
});
document.addEventListener('change', (event) => {
  if (event.target.name === 'namespace') event.target.form.submit();
});
if (live) {
  live.hidden = false;
  document.getElementById('refresh').addEventListener('click', (event) => {
    event.preventDefault();
    refresh();
  });
  (async () => {
    for (let took = 0; ; ) {
      // A large cluster answers slowly, and is asked less often.
      await new Promise((resolve) => setTimeout(resolve, Math.max(EVERY, 10 * took)));
      const began = performance.now();
      if (live.querySelector('input').checked && !document.hidden) await refresh();
      took = performance.now() - began;
    }
  })();
}
