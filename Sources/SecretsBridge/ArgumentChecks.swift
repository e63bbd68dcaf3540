import ArgumentParser
import System

/// The value of a `--namespace` option.
func parseNamespace(_ argument: String) throws -> String {
    guard isDNSLabel(argument) else {
        throw ValidationError(
            "\(argument.debugDescription) is not a namespace's name (1 to 63 of a-z 0-9 -)")
    }
    return argument
}

/// Refuses arguments that read standard input twice: the second one would find nothing.
func checkStandardInputIsReadOnce(_ paths: [String]) throws {
    if paths.count(where: DescriptorPath.isStandardInput) > 1 {
        throw ValidationError("standard input is read once; name it at most once")
    }
}

/// The path in `[key=]path`.
func pathOfFileOption(_ argument: String) -> String {
    argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).last.map(String.init) ?? ""
}

/// Refuses standard input where a file is changed in place.
func checkNoStandardInput(_ paths: [String]) throws {
    if paths.contains(where: DescriptorPath.isStandardInput) {
        throw ValidationError("standard input cannot be changed in place; give a file")
    }
}
