// The files of a job. They are fetched with the token, so they are no plain links.

import {resultBlob} from "./api.js";
import {button, element, problem, section} from "./dom.js";
import {size} from "./words.js";

export function downloadsCard({job, files}) {
  const failed = element("div", {});
  const items = (some) => element("ul", {}, some.map((file) => {
    const get = button("Download", async () => {
      failed.replaceChildren();
      get.disabled = true;
      try {
        save(await resultBlob(job.id, file.name), `${stem(job.name)}_${file.name}`);
      } catch (error) {
        failed.append(problem(error.message));
      } finally {
        get.disabled = false;
      }
    }, {class: "plain", "aria-label": `Download ${file.title}`});
    const bytes = element("span", {class: "quiet", text: size(file.bytes)});
    return element("li", {}, element("span", {}, file.title, " ", bytes), get);
  }));
  const isForPrograms = ({name}) => /\.(json|csv)$/.test(name);
  return section("Downloads", {class: "card downloads"}, items(files.filter((file) => !isForPrograms(file))),
    element("details", {}, element("summary", {text: "Numbers, for programs"}), items(files.filter(isForPrograms))),
    failed);
}

// The name of a study as the beginning of a file's name.
function stem(name) {
  const plain = name.replace(/\.(nii\.gz|nii|nrrd|mha|zip|png|jpe?g)$/i, "").replace(/[^\p{L}\p{N}._-]+/gu, "_");
  return plain.replace(/^[._]+|_+$/g, "") || "study";
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = element("a", {href: url, download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
