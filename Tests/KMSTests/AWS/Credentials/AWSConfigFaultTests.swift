import Cryptography
import Foundation
import HTTP
import System
import TestSupport
import Testing

@testable import KMS

/// Invalid lines: the profiles that they affect, and the errors that report them.
struct AWSConfigFaultTests {
    /// A short value that could be a key.
    private static let word = "hunter2"
    private static let canary = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE="

    @Test(arguments: [
        "nonsense", "= x", "s3 =\n  nonsense", "aws_secret_access_key = x\n  y", "[profile c\nregion = x",
        "aws_secret_access_key x", "export AWS_SECRET_ACCESS_KEY=x",
    ])
    func anInvalidLineAffectsItsProfileOnly(lines: String) throws {
        let config = "[profile a]\nregion = one\n[profile b]\n\(lines)\n[profile d]\nregion = two\n"
        for selected in ["a", "d"] {
            #expect(try awsProfiles(config, selected: selected).activeSettings["region"] != nil)
        }
        let name = lines.hasPrefix("[") ? "c" : "b"
        let error = #expect(throws: AWSCredentialsError.self) { try awsProfiles(config, selected: name) }
        #expect(error?.message.hasPrefix("config:") == true, "\(error?.message ?? "")")
    }

    @Test func limitsTheSettingsThatAreCopiedToEachSection() throws {
        func config(_ count: Int) -> String {
            "[DEFAULT]\n" + (0..<count).map { "k\($0) = v\n" }.joined() + "[profile a]\nregion = one\n"
        }
        #expect(try awsProfiles(config(256), selected: "a").activeSettings["k255"] == "v")
        let error = #expect(throws: AWSCredentialsError.self) { try awsProfiles(config(257), selected: "a") }
        #expect(error?.message.contains("[DEFAULT] has more than 256 settings") == true)
    }

    /// Otherwise a small file with many sections would take much memory.
    @Test func doesNotCopyTheDefaultSettingsToEachSection() throws {
        let text =
            "[DEFAULT]\n" + (0..<200).map { "k\($0) = v\n" }.joined()
            + (0..<50).map { "[profile p\($0)]\na = b\n" }.joined()
        let file = try AWSConfigFile(path: "config", content: SecretBytes(copying: Array(text.utf8)))
        #expect(file.sections.count == 50)
        #expect(file.sections.reduce(0) { $0 + $1.settings.count } == 50)
        let profiles = try awsProfiles(text, selected: "p7")
        #expect(profiles.activeSettings.count == 201)
        #expect(try profiles.profile("p8")?.settings.count == 201)
    }

    /// The selected profile may use others as a source, a session or a section of endpoints.
    @Test(arguments: [
        "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = b\n[profile b]\nnonsense\n",
        "sso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nnonsense\n",
        "services = s\n[services s]\nnonsense\n",
    ])
    func rejectsInvalidSectionsThatAreUsedIndirectly(rest: String) {
        #expect(throws: AWSCredentialsError.self) {
            let profiles = try awsProfiles("[profile a]\n" + rest, selected: "a")
            _ = try AWSProfilePlan.make(profiles)
        }
    }

    @Test func settingsOfAnInvalidSectionStayInIt() throws {
        let config = "[profile a]\nregion = one\n[profile b\naws_access_key_id = B\n"
        #expect(try awsProfiles(config, selected: "a").activeSettings == ["region": "one"])
    }

    @Test(arguments: [
        "aws_secret_access_key \(canary)", "aws_secret_access_key \(canary)\n  more",
        "aws_secret_access_key\n\(canary)",
        "aws_secret_access_key = x\n  \(canary)", "aws_secret_access_key =\n  \(canary)\n  x",
        "aws_session_token \(canary)\n  = y", "\(canary)\n  x", "\(canary)", "= \(canary)", "[\(canary)",
        "s3 =\n  \(canary) ", "\(word) =\n  x", "\(word):\n  x",
        "export AWS_SECRET_ACCESS_KEY=\(canary)\n  more", "\(canary) x =\n  y", "x \(canary)\n  y",
        ": \(canary)",
    ])
    func errorsQuoteNoValue(lines: String) throws {
        for text in ["[default]\naws_access_key_id = AKID\n\(lines)\n", "\(lines)\n"] {
            do throws(AWSCredentialsError) {
                let profiles = try awsProfiles("", text)
                _ = try AWSProfilePlan.make(profiles)
            } catch {
                #expect(!error.message.lowercased().contains("wjalr"), "\(error.message)")
                #expect(!error.message.contains("\n"))
                #expect(!error.message.contains(Self.word))
            }
        }
    }

    @Test(arguments: ["a\rb", "a\u{1B}[2Jb", "a\u{202E}b", "a\u{0}b", String(repeating: "n", count: 5000)])
    func errorsShowNamesOnOneLine(name: String) throws {
        let quoted = name.replacingOccurrences(of: "\r", with: "\u{85}")
        var messages: [String] = []
        func note(_ body: () throws(AWSCredentialsError) -> Void) {
            do throws(AWSCredentialsError) { try body() } catch { messages.append(error.message) }
        }
        note { () throws(AWSCredentialsError) in _ = try awsProfiles("", selected: name) }
        note { () throws(AWSCredentialsError) in
            let profiles = try awsProfiles("[profile \"\(quoted)\"]\nrole_arn = x\n", selected: quoted)
            _ = try AWSProfilePlan.make(profiles)
        }
        note { () throws(AWSCredentialsError) in
            let role = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = \(quoted)\n"
            _ = try AWSProfilePlan.make(awsProfiles("[default]\n" + role))
        }
        note { () throws(AWSCredentialsError) in
            let settings = "sso_session = \(quoted)\nsso_account_id = 1\nsso_role_name = r\n"
            _ = try AWSProfilePlan.make(awsProfiles("[default]\n" + settings))
        }
        #expect(messages.count == 4)
        for message in messages {
            #expect(isOneLine(message), "\(message)")
            #expect(message.utf8.count < 1000)
        }
    }

    /// An input of a fuzzing campaign: the name of a profile contains a carriage return.
    @Test func errorsOfFuzzedFilesAreOneLine() throws {
        let text = "[d;;\u{0}`e\rfault]\nrole_arn = x\n"
        for selected in ["d;;\u{0}`e\rfault", "d;;\u{0}`e", "default"] {
            do throws(AWSCredentialsError) {
                _ = try AWSProfilePlan.make(awsProfiles("", text, selected: selected))
            } catch {
                #expect(isOneLine(error.message), "\(error.message)")
            }
        }
    }

    @Test func skipsByteOrderMarks() throws {
        let mark = "\u{FEFF}"
        #expect(try awsProfiles(mark + "[default]\r\nregion = a\r\n").activeSettings == ["region": "a"])
        #expect(try awsProfiles(mark + "# c\n[default]\nregion = a\n").activeSettings == ["region": "a"])
        let error = #expect(throws: AWSCredentialsError.self) {
            try AWSConfigFile(
                path: "config", content: SecretBytes(copying: [0xFF, 0xFE, 0x5B, 0x00] as [UInt8]))
        }
        #expect(error?.message == "config: is UTF-16; save it as UTF-8")
    }

    /// As in botocore. A missing mount leaves a folder.
    @Test func aFolderOrDeviceCountsAsAnEmptyFile() throws {
        let folder = try TemporaryFolder()
        #expect(try AWSConfigFile(path: folder.path).sections.isEmpty)
        #expect(try AWSConfigFile(path: "/dev/null").sections.isEmpty)
        #expect(try AWSConfigFile(path: folder.path("none")).sections.isEmpty)
    }
}

/// Returns true if a message has no line breaks, control characters or invisible characters.
func isOneLine(_ message: String) -> Bool { !message.unicodeScalars.contains { $0.isInvisible } }
