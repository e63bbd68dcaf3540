import ArgumentParser
import CLI
import Envelope
import KubeClient
import System

func parseNamespace(_ argument: String) throws -> String {
    guard EnvelopeValidation.isDNSLabel(argument) else {
        throw ValidationError(
            "\(argument.debugDescription) is not a valid namespace name (1 to 63 of a-z 0-9 -)")
    }
    return argument
}

/// Rejects arguments that read standard input twice: it is empty the second time.
func checkStandardInputIsReadOnce(_ paths: [String]) throws {
    if paths.count(where: DescriptorPath.isStandardInput) > 1 {
        throw ValidationError("standard input can be read only once; give - at most once")
    }
}

/// Returns the path in `[key=]path`.
func pathOfFileOption(_ argument: String) -> String {
    argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).last.map(String.init) ?? ""
}

/// Rejects standard input for a command that changes files in place.
func checkNoStandardInput(_ paths: [String]) throws {
    if paths.contains(where: DescriptorPath.isStandardInput) {
        throw ValidationError("standard input cannot be changed in place; give a file")
    }
}

/// Parses durations such as `15s`, `500ms`, `2m` and `1h`.
func parseDuration(_ argument: String) throws -> Duration {
    do throws(DurationText.Problem) {
        return try DurationText.parse(argument)
    } catch {
        throw ValidationError("\(argument) \(error)")
    }
}

func parseKeySelector(_ argument: String) throws -> KeySelector {
    do throws(InputError) {
        return try KeySelector(argument)
    } catch {
        throw ValidationError(error.description)
    }
}

/// Completes names of manifest files. Shells offer folders too.
let manifestCompletion = CompletionKind.file(extensions: ["yaml", "yml", "json"])

/// Completes contexts of the kubeconfig that the words typed so far name, or else the environment.
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
    /// Returns a long option that the command does not have, or nil.
    static func unknownOption(in arguments: [String]) -> String? {
        let completion = try? PluginCompletion(help: _dumpHelp(), custom: contextNames)
        return completion?.unknownOption(in: Array(arguments.dropFirst()))
    }

    /// Returns the completions that kubectl requests if this program runs as its plugin.
    static func pluginCompletion(_ words: [String]) throws -> String {
        try PluginCompletion(help: _dumpHelp(), custom: contextNames).output(words)
    }
}
