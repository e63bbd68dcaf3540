import System

/// Where an answer points to. It is shown, without its query, and never used.
struct VaultRedirect: Equatable {
    /// `https://vault.example.com/login`, on one line.
    let displayURL: String
    /// The setting that leads there; nil: what is there is not the API that was asked.
    let vaultAddress: String?
    /// Whether it leads from https to plain http, where the token could be read on the way.
    let downgradesToHTTP: Bool

    /// nil: no location, or one that leads back to what was asked.
    ///
    /// - Parameters:
    ///   - location: As the answer has it, relative or whole.
    ///   - path: What was asked, below `/v1/`.
    init?(_ location: String, from origin: ServerAddress, path: String) {
        let text = location.prefix { $0 != "?" && $0 != "#" }
        guard !location.isEmpty else { return nil }
        let root = origin.url.dropLast(origin.pathPrefix.utf8.count)
        var url: String
        if text.hasPrefix("//") {
            url = (origin.isPlainHTTP ? "http:" : "https:") + text
        } else if text.contains("://") {
            url = String(text)
        } else {
            url = root + (text.hasPrefix("/") ? "" : "/") + text
        }
        // Credentials in a URL are not shown.
        if let authority = url.firstRange(of: "://")?.upperBound {
            let end = url[authority...].firstIndex(of: "/") ?? url.endIndex
            if let at = url[authority..<end].lastIndex(of: "@") { url.removeSubrange(authority...at) }
        }
        displayURL = url.sanitizedName
        downgradesToHTTP = !origin.isPlainHTTP && url.lowercased().hasPrefix("http://")
        guard url.hasSuffix("/v1/\(path)"),
            let target = ServerAddress(String(url.dropLast(path.utf8.count + 4)))
        else {
            vaultAddress = nil
            return
        }
        guard target.origin != origin.origin || target.pathPrefix != origin.pathPrefix else { return nil }
        vaultAddress = target.url
    }
}
