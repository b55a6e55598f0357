// Files that the visitor keeps.

// Save text or a Blob under a name.
export function save(content, name, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// A file's name without its ending.
export function stem(name) {
  return name.replace(/\.[^.]*$/, "") || "image";
}
