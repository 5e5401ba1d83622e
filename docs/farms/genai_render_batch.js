// SPDX-License-Identifier: GPL-3.0-or-later
// A job type for Flamenco: a batch of genai_render, in as many parts as you like.
// It goes into the folder "scripts" beside the Manager.

const JOB_TYPE = {
    label: "GenAI Render Batch",
    description: "Make all pictures of a batch file, each once, on all workers",
    settings: [
        { key: "batch_file", type: "string", subtype: "file_path", required: true, visible: "submission",
          description: "The TOML or JSONL file, on storage that all workers share" },
        { key: "history", type: "string", subtype: "dir_path", required: true, visible: "submission",
          description: "The History folder that the pictures go to, shared as well" },
        { key: "parts", type: "int32", default: 4, propargs: { min: 1, max: 1000 }, visible: "submission",
          description: "Number of parts, each of which is a task" },
        { key: "max_cost", type: "float", default: 0.0, propargs: { min: 0 }, visible: "submission",
          description: "US dollars that each part may cost; 0 for no limit" },
        { key: "online", type: "bool", default: true, visible: "submission",
          description: "Let models of providers be used" },
        { key: "blendfile", type: "string", required: true, visible: "web",
          description: "The .blend file that the pictures are of" },
    ]
};

function compileJob(job) {
    const settings = job.settings;
    const report = author.Task("report", "blender");
    report.addCommand(batch(settings, ["--report", path.join(settings.history, "report")]));
    for (let part = 1; part <= settings.parts; part++) {
        const task = author.Task(`part-${part}-of-${settings.parts}`, "blender");
        const words = ["--shard", `${part}/${settings.parts}`];
        if (settings.max_cost > 0) {
            words.push("--max-cost", String(settings.max_cost));
        }
        task.addCommand(batch(settings, words));
        report.addDependency(task);
        job.addTask(task);
    }
    job.addTask(report);
}

// With --resume a task that is run once more makes only what is not there yet.
function batch(settings, words) {
    return author.Command("exec", {
        exe: "{blender}",
        args: [
            "-b", settings.blendfile,
            ...(settings.online ? ["--online-mode"] : []),
            "--command", "genai_render", "batch", settings.batch_file,
            "--resume", "--history", settings.history,
            ...words,
        ],
    });
}
