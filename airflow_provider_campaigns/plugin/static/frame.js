// Shows the HTML that the page around this frame sends, in a sandbox: without scripts, forms and navigation. What it
// may load is in the content security policy of this document, which also holds inside the sandbox.

// The policy does not cover all of these: a link element may open a connection before it loads anything.
const REMOVED = "script, link, base, meta, iframe, frame, object, embed, portal, fencedframe, template";

const WITH_IMAGES = location.pathname.endsWith("/frame-images/");
const ACTING = ["action", "autofocus", "formaction", "ping"];
const LOADING = ["background", "data", "dynsrc", "href", "lowsrc", "poster", "src", "srcset", "xlink:href"];

// The policy and the sandbox block what is removed here, too. But the browser reports what it blocks as an error.
function quiet(element) {
  const isLink = element.localName === "a" || element.localName === "area";
  if (isLink && element.hasAttribute("href")) {
    element.title ||= element.getAttribute("href");
    element.dataset.link = "";
  }
  for (const { name, value } of [...element.attributes]) {
    const loads = LOADING.includes(name) && (isLink || !(WITH_IMAGES || /^(data:|#)/.test(value)));
    if (loads || ACTING.includes(name) || /^on/i.test(name)) element.removeAttribute(name);
    else if (name === "style") element.setAttribute(name, quietStyle(value));
  }
  if (element.localName === "style") element.textContent = quietStyle(element.textContent);
}

function quietStyle(css) {
  const own = css.replaceAll(/@import[^;]*;?/gi, "").replaceAll(/@font-face\s*{[^}]*}/gi, "");
  return WITH_IMAGES ? own : own.replaceAll(/url\(\s*(?!['"]?data:)[^)]*\)/gi, "url(data:,)");
}

function harmless(html) {
  // Before it is parsed: the browser reports a handler as an error when it reads it.
  const source = html.replaceAll(/<[^>]+>/g, (tag) => tag.replaceAll(/([\s"'/])on\w+\s*=/gi, "$1data-on="));
  const page = new DOMParser().parseFromString(source, "text/html");
  for (const element of page.querySelectorAll(REMOVED)) element.remove();
  page.querySelectorAll("*").forEach(quiet);
  // A link without its address still looks like one, unless the campaign says otherwise.
  const style = page.createElement("style");
  style.textContent = ":where([data-link]) { color: -webkit-link; cursor: help; text-decoration: underline; }";
  page.head.prepend(style);
  return `<!doctype html>${page.documentElement.outerHTML}`;
}

addEventListener("message", ({ origin, source, data }) => {
  if (origin !== location.origin || source !== parent) return;
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "");
  frame.title = "HTML of the campaign";
  frame.srcdoc = harmless(String(data));
  document.body.replaceChildren(frame);
});

// Tells the page around this frame to send the HTML.
parent.postMessage("ready", location.origin);
