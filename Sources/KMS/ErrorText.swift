import System

extension String {
    /// The text as one line: characters that would end it, move the cursor or hide are written as escapes, and a text
    /// beyond any reader's patience is cut. For messages, which quote names out of files and servers.
    package var asOneLine: String { shortened(to: 2_000).escapingInvisibleCharacters }

    /// A name out of a file or a server, as messages show it: on one line, 128 bytes at most.
    package var sanitizedName: String { shortened(to: 128).escapingInvisibleCharacters }

    private func shortened(to count: Int) -> String {
        utf8.count > count ? truncated(toUTF8: count) + "…" : self
    }
}
