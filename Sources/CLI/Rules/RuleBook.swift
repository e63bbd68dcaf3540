import Cryptography
import Envelope
import Glibc
import System

/// Finds the rule for each manifest of a command. Each rules file is read once. Safe to use from many tasks.
package final class RuleBook: Sendable {
    package enum Selection: Sendable {
        /// The nearest `.secrets-bridge.yaml` of each manifest.
        ///
        /// - Parameter home: The user's home, where the search ends.
        case nearest(home: String?)
        /// This file for all manifests, which must be below its folder.
        case file(String)
        case none
    }

    package enum Lookup: Sendable {
        /// No rules file is for this manifest.
        case noRulesFile
        /// No rule of the rules file matches.
        case noRule(source: String)
        case rule(Rule)

        package var rule: Rule? { if case .rule(let rule) = self { rule } else { nil } }
    }

    private struct Cache {
        /// The rules files of folders, or nil for a folder without any.
        var locations: [AbsolutePath: Result<RulesLocation?, InputError>] = [:]
        var ruleSets: [AbsolutePath: Result<RuleSet, InputError>] = [:]
    }

    private let selection: Selection
    private let cache = Locked(Cache())

    package init(_ selection: Selection) {
        self.selection = selection
    }

    /// Returns the rule for a manifest, or nil if there is none.
    ///
    /// - Parameter path: The path of a file that exists or is to be created, or nil for standard input and output.
    /// - Throws: `InputError` if the rules file is invalid, or the match is ambiguous.
    package func rule(for path: String?) throws(InputError) -> Rule? { try lookup(path).rule }

    package func lookup(_ path: String?) throws(InputError) -> Lookup {
        guard let (file, location) = try place(of: path) else { return .noRulesFile }
        let rules = try ruleSet(location)
        guard let relative = file.relative(to: location.folder.path) else {
            // Only a file that --rules names can be elsewhere.
            throw InputError(
                file.display,
                "is outside the folder of \(rules.source), so no rule can match it; leave out --rules, or move the rules "
                    + "file")
        }
        guard let rule = try rules.rule(forPath: relative, named: file.display) else {
            return .noRule(source: rules.source)
        }
        return .rule(rule)
    }

    /// Returns the recipient files that the rules for these manifests name, each key once. Files without a WrappedSecret need
    /// none. Invalid rules are left out: the command reports them for each manifest.
    package func recipientFiles(forManifests paths: [String]) -> [RecipientFileKey] {
        var found: [RecipientFileKey] = []
        for path in paths {
            let files = ((try? rule(for: path)) ?? nil)?.recipients?.files ?? []
            let new = files.filter { file in !found.contains { $0.key.isSame(as: file.key) } }
            guard !new.isEmpty, let contents = try? ManifestFile.rawContents(of: path),
                CommittedFile.mayHaveWrappedSecrets(contents)
            else { continue }
            found += new
        }
        return found
    }

    /// Returns true if there is a rules file for the manifest, valid or not.
    package func hasRulesFile(for path: String?) -> Bool {
        do throws(InputError) {
            return try place(of: path) != nil
        } catch {
            return true
        }
    }

    /// Returns the file without symbolic links, and the rules file for it.
    private func place(of path: String?) throws(InputError) -> (AbsolutePath, RulesLocation)? {
        guard let path, !DescriptorPath.isStream(path) else { return nil }
        if case .none = selection { return nil }
        guard let file = AbsolutePath(path) else {
            var info = stat()
            guard lstat(path, &info) == 0 else { return nil }
            throw InputError(unreadable: path, "its path cannot be resolved")
        }
        switch selection {
        case .none: return nil
        case .file(let rules):
            guard let rules = AbsolutePath(existing: rules), let folder = rules.parent else {
                throw InputError(unreadable: rules, lastSystemError())
            }
            return (file, RulesLocation(file: rules, folder: folder))
        case .nearest(let home):
            guard let folder = file.parent, let location = try location(for: folder, home: home) else {
                return nil
            }
            return (file, location)
        }
    }

    private func location(for folder: AbsolutePath, home: String?) throws(InputError) -> RulesLocation? {
        let result = cache.withLock { cache in
            if let known = cache.locations[folder] { return known }
            let home = home.flatMap { AbsolutePath(existing: $0) }
            let found = Result { () throws(InputError) in try RulesLocation.find(from: folder, home: home) }
            cache.locations[folder] = found
            return found
        }
        return try result.get()
    }

    private func ruleSet(_ location: RulesLocation) throws(InputError) -> RuleSet {
        let result = cache.withLock { cache in
            if let known = cache.ruleSets[location.file] { return known }
            let rules = Result { () throws(InputError) in try read(location) }
            cache.ruleSets[location.file] = rules
            return rules
        }
        return try result.get()
    }

    private func read(_ location: RulesLocation) throws(InputError) -> RuleSet {
        let source = location.file.display
        let contents: SecretBytes
        do throws(FileError) {
            contents = try SecretBytes(contentsOfFile: location.file.path, limit: RulesFile.maximumBytes)
        } catch {
            throw InputError(unreadable: source, error.reason)
        }
        return try RulesFile.rules(
            in: contents, source: source,
            recipientFiles: RecipientFiles(folder: location.folder.path, root: location.root.path))
    }
}
