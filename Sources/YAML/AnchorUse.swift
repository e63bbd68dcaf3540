package import Cryptography

extension YAMLReader {
    /// The places (`SourceRange.start`) of the nodes with an anchor that no alias refers to. Of a file that cannot be read, those
    /// up to the error.
    package static func unusedAnchors(in file: borrowing SecretBytes) -> Set<Int> {
        file.withUnsafeBytes { bytes in
            var unused: Set<Int> = []
            do throws(YAMLError) {
                let text = try SourceText(bytes, name: "")
                let events = events(of: text)
                // An anchor may be defined again: an alias refers to the last one before it.
                var latest: [String: Int] = [:]
                while true {
                    let event = try events.next()
                    switch event.kind {
                    case .streamEnd: return unused
                    case .documentEnd: latest = [:]
                    case .alias(let name):
                        if let place = latest[name] { unused.remove(place) }
                    default:
                        guard let name = event.nodeProperties.anchor else { continue }
                        latest[name] = event.range.start
                        unused.insert(event.range.start)
                    }
                }
            } catch {
                return unused
            }
        }
    }
}
