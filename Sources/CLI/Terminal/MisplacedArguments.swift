import System

/// Hides arguments that may be values in place of something else, in messages about them.
///
/// A value that begins with a hyphen, as a PEM file does, is read as an option, and one that is not expected as a name or a file.
/// Messages give the place of such an argument instead: 1 is the command.
package enum MisplacedArguments {
    /// The arguments of this process.
    package static var own: [String] { Array(CommandLine.arguments.dropFirst()) }

    /// Replaces what ArgumentParser's message `text` quotes of `arguments`, except names of options and values that were given
    /// for an option. The usage after the message stays.
    package static func redact(_ arguments: [String], in text: String) -> String {
        let usage = usage(of: text, arguments)
        let head = text.dropLast(usage.count)
        let prefix = head.hasPrefix(errorPrefix) ? errorPrefix : ""
        let message = Message(text: String(head.dropFirst(prefix.count)), arguments: arguments)
        return prefix + message.redacted + usage
    }

    /// Returns the place of the argument that is or ends with a text such as the path in `KEY=PATH`, or nil if none does.
    package static func place(of text: String, in arguments: [String]) -> Int? {
        let index = arguments.firstIndex { $0 == text } ?? arguments.firstIndex { $0.hasSuffix(text) }
        return index.map { $0 + 1 }
    }

    private static let errorPrefix = "Error: "

    /// Returns the end of the text with the usage. It is left out if an argument has one, which cannot be told from it.
    private static func usage(of text: String, _ arguments: [String]) -> String {
        let start = "\nUsage: "
        guard !arguments.contains(where: { $0.contains(start) }), let range = text.ranges(of: start).last
        else {
            return ""
        }
        return String(text[range.lowerBound...])
    }
}

/// A message of ArgumentParser, whose texts are recognized by their beginnings.
private struct Message {
    let text: String
    let arguments: [String]

    /// The message with places instead of quotations. What cannot be attributed to an argument is left out.
    var redacted: String {
        if let rest = text.dropping("Unknown option ") { return unknownOption(rest) }
        if let rest = text.dropping("Invalid option: ") {
            let index = arguments.firstIndex { $0 == rest } ?? arguments.firstIndex { isShort($0, rest) }
            return "Invalid option\(place(index)) \(Self.oneIsHidden)"
        }
        if let rest = text.dropping("Unexpected argument ") {
            return
                "Unexpected argument\(place(arguments.lastIndex { "'\($0)'" == rest })) \(Self.oneIsHidden)"
        }
        if let range = text.firstRange(of: " unexpected arguments: "), Int(text[..<range.lowerBound]) != nil {
            let places = places(inList: text[range.upperBound...])
            return
                "\(text[..<range.lowerBound]) unexpected arguments\(places) (not shown: they may be values)"
        }
        let middle = "' does not take any value, but "
        if let name = text.dropping("The option '"), let range = name.firstRange(of: middle) {
            let option = name[..<range.lowerBound]
            let index = arguments.firstIndex { $0.hasPrefix("\(option)=") }
            return "The option '\(option)\(middle)has one\(place(index)) \(Self.oneIsHidden)"
        }
        return text
    }

    private static let oneIsHidden = "(not shown: it may be a value)"

    /// - Parameter rest: The quoted name, and what may follow it: a similar option, or the option of one letter that it begins
    ///   with and that has no value.
    private func unknownOption(_ rest: String) -> String {
        let candidates = arguments.enumerated().flatMap { index, argument in
            Self.names(in: argument).map { (index: index, name: $0) }
        }
        let found = candidates.filter { rest.hasPrefix("'\($0.name)'") }.max { $0.name.count < $1.name.count }
        if let found, Self.isOptionName(found.name) { return text }
        var message = "Unknown option\(place(found?.index)) \(Self.oneIsHidden)"
        let end = rest.dropFirst((found?.name.count ?? rest.count) + 2)
        if let similar = String(end).dropping(". Did you mean '")?.dropLast(2), Self.isOptionName(similar) {
            message += ". Did you mean '\(similar)'?"
        }
        if end.hasPrefix("\n   or: Missing value for "), let name = end.firstRange(of: " in '") {
            message += "\(end[..<name.lowerBound]) in it"
        }
        return message
    }

    /// Returns the names of options that the parser finds in an argument: of `--name=value`, and of letters behind one hyphen.
    private static func names(in argument: String) -> [String] {
        guard argument.hasPrefix("-") else { return [] }
        let letters = argument.hasPrefix("--") ? "" : argument.dropFirst()
        return [argument] + argument.split(separator: "=", maxSplits: 1).prefix(1).map(String.init)
            + letters.map { "-\($0)" }
    }

    /// Returns true for the form of the names of this program's options: `-o`, `--output`, `--output-file`.
    private static func isOptionName(_ text: some StringProtocol) -> Bool {
        let isName =
            !text.hasSuffix("-") && text.utf8.allSatisfy { $0.isASCIILowercase || $0 == UInt8(ascii: "-") }
        guard isName, text.hasPrefix("-") else { return false }
        let name = text.dropFirst()
        return name.hasPrefix("-") ? !name.dropFirst().hasPrefix("-") : name.count == 1
    }

    private func isShort(_ argument: String, _ option: String) -> Bool {
        argument.hasPrefix("-") && option.count == 2
            && argument.dropFirst().contains { option.hasSuffix("\($0)") }
    }

    /// Returns the places of arguments in a list such as `'a', 'b'`, which has them in order.
    private func places(inList list: Substring) -> String {
        var rest = list
        var places: [String] = []
        for (index, argument) in arguments.enumerated().reversed() where rest.hasSuffix("'\(argument)'") {
            rest = rest.dropLast(argument.count + 2)
            if rest.hasSuffix(", ") { rest = rest.dropLast(2) }
            places.insert("\(index + 1)", at: 0)
        }
        guard rest.isEmpty, let last = places.popLast() else { return "" }
        return " in places \(places.joined(separator: ", ")) and \(last)"
    }

    private func place(_ index: Int?) -> String { index.map { " in place \($0 + 1)" } ?? "" }
}

extension String {
    /// Returns the text after a prefix, or nil if it does not have it.
    fileprivate func dropping(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
