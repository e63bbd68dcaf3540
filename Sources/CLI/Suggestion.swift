/// What a misspelt word was most likely meant to be.
enum SpellingSuggestion {
    /// Returns the word that `text` differs from in its case, in `-` and `_`, or in at most two letters; nil if none is
    /// close.
    static func closest(to text: String, in words: [String]) -> String? {
        // A value may be read as a key; it is not compared at length.
        guard text.utf8.count <= 32 else { return nil }
        let folded = fold(text)
        let ranked = words.map { (word: $0, distance: editDistance(folded, fold($0))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= 2 && best.distance * 3 <= best.word.utf8.count ? best.word : nil
    }

    private static func fold(_ text: String) -> [UInt8] {
        text.lowercased().utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "_") }
    }
}
