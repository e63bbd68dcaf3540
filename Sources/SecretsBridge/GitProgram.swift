import CLI
import Cryptography
import Settings
import System

/// Runs git in the current folder. Revisions are resolved to object ids first, so no text of a user is an option.
struct GitProgram {
    private let executable: String
    private let environment: [String: String]

    private static let deadline = Duration.seconds(120)
    private static let maximumOutput = 256 << 20
    /// The largest number of bytes of objects that one git process returns.
    private static let maximumBatch = 64 << 20

    init() throws {
        do throws(ProgramSearch.SearchError) {
            executable = try ProgramSearch.path(of: "git", in: Environment.process.value("PATH"))
        } catch {
            throw CommandError("git was not found on the PATH; install git")
        }
        var environment = inheritableEnvironment()
        environment["GIT_TERMINAL_PROMPT"] = "0"
        environment["GIT_OPTIONAL_LOCKS"] = "0"
        // A replaced object would hide a change from a review.
        environment["GIT_NO_REPLACE_OBJECTS"] = "1"
        environment["LC_ALL"] = "C"
        self.environment = environment
    }

    /// Runs git and returns its output and its exit code.
    func run(
        _ arguments: [String], input: SharedSecret? = nil, memoryFiles: [SharedSecret] = []
    ) async throws -> ChildProcess.Completion {
        let process = ChildProcess(
            executable: executable, arguments: arguments, environment: environment, isInteractive: false,
            outputLimit: Self.maximumOutput, deadline: Self.deadline, input: input, memoryFiles: memoryFiles)
        let command = "git \(arguments.first { !$0.hasPrefix("-") } ?? "")"
        do throws(ChildProcess.RunError) {
            return try await process.run()
        } catch {
            switch error {
            case .cannotStart: throw CommandError("\(command) cannot be started")
            case .deadlineExceeded: throw CommandError("\(command) did not end within two minutes")
            case .tooMuchOutput:
                throw CommandError("\(command) returned more than 256 MiB; give paths to compare")
            }
        }
    }

    /// Returns the output of a command that has to succeed.
    func output(_ arguments: [String], input: SharedSecret? = nil) async throws -> SharedSecret {
        let completion = try await run(arguments, input: input)
        guard completion.exitCode == 0 else {
            let command = arguments.first { !$0.hasPrefix("-") } ?? ""
            throw CommandError("git \(command) failed with \(completion.exitCode)")
        }
        return completion.output
    }

    /// Returns the output of a command as text without the last line break, or nil if the command fails.
    func text(_ arguments: [String]) async throws -> String? {
        let completion = try await run(arguments)
        guard completion.exitCode == 0 else { return nil }
        let text = completion.output.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// Merges three texts by lines, as git does without a merge driver. No file is written.
    func mergeLines(
        _ base: SharedSecret, _ ours: SharedSecret, _ theirs: SharedSecret, markerSize: Int
    ) async throws(InputError) -> FileMerge.MergedLines {
        let completion: ChildProcess.Completion
        do {
            completion = try await run(
                [
                    "merge-file", "-p", "-q", "--marker-size=\(markerSize)", "-L", "ours", "-L", "base", "-L",
                    "theirs",
                ]
                    + [1, 0, 2].map(ChildProcess.memoryFilePath), memoryFiles: [base, ours, theirs])
        } catch {
            throw InputError("\(error)")
        }
        // The exit code is the number of conflicts.
        guard completion.exitCode < 128 else {
            throw InputError("git merge-file failed with \(completion.exitCode)")
        }
        return FileMerge.MergedLines(text: completion.output, conflictCount: Int(completion.exitCode))
    }
}

// The objects of two commits.
extension GitProgram {
    private static let maximumFiles = 20_000
    /// The largest file that is compared, which is that of all other commands.
    private static let maximumFileBytes = 32 << 20
    /// All manifests together, which are in memory at the same time.
    private static let maximumTotalBytes = 256 << 20

    /// Returns the changed manifests of two commits.
    ///
    /// - Parameter paths: Files and folders to compare, relative to the current folder, or none for all.
    func changedFiles(
        in range: RevisionRange, paths: [String]
    ) async throws -> (files: [CommittedFile], problems: [String]) {
        let head = try await commit(range.head)
        var base = try await commit(range.base)
        if range.usesMergeBase {
            guard let common = try await text(["merge-base", base, head]).map({ $0.prefix { $0 != "\n" } }),
                GitObjectID.isValid(common)
            else {
                throw CommandError(
                    "\(range.base) and \(range.head) have no commit in common; in a shallow clone, fetch more history "
                        + "(git fetch --unshallow)")
            }
            base = String(common)
        }
        let list = try await output(
            [
                "--literal-pathspecs", "-c", "diff.relative=false", "diff-tree", "-r", "-z", "--raw",
                "--no-renames",
            ]
                + [base, head, "--"] + paths)
        let changes = try GitFileChange.parse(list.bytes).filter(\.isManifest)
        guard changes.count <= Self.maximumFiles else {
            throw CommandError(
                "\(changes.count) manifests differ, at most \(Self.maximumFiles) are compared; give paths")
        }
        let (files, problems) = try await contents(of: changes)
        return (
            files,
            problems
                + changes.filter(\.isNewLink).map {
                    "\($0.path) was not compared: it is a symbolic link; commit the file itself at this path"
                }
        )
    }

    private func commit(_ revision: String) async throws -> String {
        let found = try await text(["rev-parse", "--verify", "--quiet", "\(revision)^{commit}"])
        guard let found, GitObjectID.isValid(found) else {
            throw CommandError(
                "\(revision) is not a commit of this repository; in a shallow clone, fetch it first (git fetch)"
            )
        }
        return found
    }

    private func contents(
        of changes: [GitFileChange]
    ) async throws -> (files: [CommittedFile], problems: [String]) {
        let ids = Set(changes.flatMap { [$0.old, $0.new].compactMap(\.self) }).sorted()
        guard !ids.isEmpty else { return ([], []) }
        let rules = Set(
            changes.filter { CommittedFile.isRulesFile($0.path) }.flatMap {
                [$0.old, $0.new].compactMap(\.self)
            })
        let sizes = GitObjects.sizes(
            try await output(["cat-file", "--batch-check"], input: Self.lines(ids)).bytes)
        var contents: [String: SharedSecret] = [:]
        var totalBytes = 0
        var (batch, batchBytes): ([String], Int) = ([], 0)
        func readBatch() async throws {
            guard !batch.isEmpty else { return }
            let output = try await output(["cat-file", "--batch"], input: Self.lines(batch))
            // Files that need no review are released at once.
            for (id, text) in try GitObjects.contents(output.bytes)
            where rules.contains(id) || CommittedFile.mayHaveWrappedSecrets(text)
                || CommittedFile.mayBeRecipientFile(text)
            {
                totalBytes += text.count
                guard totalBytes <= Self.maximumTotalBytes else {
                    throw CommandError(
                        "the changed manifests have more than \(Self.maximumTotalBytes >> 20) MiB; give paths to compare"
                    )
                }
                contents[id] = text
            }
            (batch, batchBytes) = ([], 0)
        }
        for id in ids {
            guard let size = sizes[id], size <= Self.maximumFileBytes else { continue }
            if batchBytes + size > Self.maximumBatch { try await readBatch() }
            batch.append(id)
            batchBytes += size
        }
        try await readBatch()
        var problems: [String] = []
        for change in changes {
            for id in [change.old, change.new].compactMap(\.self) {
                guard let size = sizes[id] else {
                    problems.append("\(change.path): git does not have its content (\(id))")
                    continue
                }
                if size > Self.maximumFileBytes {
                    problems.append("\(change.path): has \(size) bytes, at most 32 MiB are compared")
                }
            }
        }
        let files = changes.map { change in
            CommittedFile(
                path: change.path, old: change.old.flatMap { contents[$0] },
                new: change.new.flatMap { contents[$0] })
        }
        return (files, problems)
    }

    private static func lines(_ ids: [String]) -> SharedSecret {
        SharedSecret(copying: ids.map { "\($0)\n" }.joined().utf8)
    }
}
