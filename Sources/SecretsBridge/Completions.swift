import ArgumentParser
import CLI
import KubeClient
import System

/// What is read as a manifest; folders are offered beside it.
let manifestCompletion = CompletionKind.file(extensions: ["yaml", "yml", "json"])

/// Contexts of the kubeconfig that the words typed so far name, or that the environment does.
let contextCompletion = CompletionKind.custom { words, _, _ in contextNames(words) }

private func contextNames(_ words: [String]) -> [String] {
    var path: String?
    for (word, next) in zip(words, words.dropFirst() + [""]) {
        if word == "--kubeconfig" { path = next }
        if word.hasPrefix("--kubeconfig=") { path = String(word.dropFirst("--kubeconfig=".count)) }
    }
    return ClusterConfiguration.contextNames(explicitPath: path, environment: inheritableEnvironment())
}

extension SecretsBridge {
    /// What kubectl is told that asks for completions of its plugin.
    static func pluginCompletion(_ words: [String]) throws -> String {
        try PluginCompletion(help: _dumpHelp(), custom: contextNames).output(words)
    }
}
