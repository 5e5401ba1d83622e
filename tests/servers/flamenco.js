// SPDX-License-Identifier: GPL-3.0-or-later
// What Flamenco Manager gives a job compiler script, as its sources have it, and what comes out:
// node flamenco.js SCRIPT SETTINGS
"use strict";
const fs = require("fs");
const vm = require("vm");
const posix = require("path").posix;

class Task {
    constructor(name, type) {
        if (!String(name).trim()) throw new Error("author.Task(name, type): name is required");
        if (!String(type).trim()) throw new Error("author.Task(name, type): type is required");
        Object.assign(this, { name: name.trim(), type: type.trim(), commands: [], dependencies: [] });
    }
    addCommand(command) {
        if (!command || !command.name) throw new Error("not a command");
        this.commands.push(command);
    }
    addDependency(task) {
        if (!(task instanceof Task)) throw new Error("not a task");
        this.dependencies.push(task.name);
    }
}

const tasks = [];
const globals = {
    author: {
        Task: (name, type) => new Task(name, type),
        Command: (name, parameters) => ({ name, parameters }),
    },
    path: {
        basename: posix.basename, dirname: posix.dirname, join: posix.join,
        stem: (file) => posix.parse(file).name,
    },
    print: () => {},
    alert: () => {},
};
const context = vm.createContext(globals);
vm.runInContext(fs.readFileSync(process.argv[2], "utf-8") + "\nthis.JOB_TYPE = JOB_TYPE;", context);
const job = {
    name: "night", type: "genai_render_batch", priority: 50, created: new Date(0), metadata: {},
    settings: JSON.parse(process.argv[3]),
    addTask: (task) => tasks.push(task),
};
context.compileJob(job);
process.stdout.write(JSON.stringify({ type: context.JOB_TYPE, tasks }));
