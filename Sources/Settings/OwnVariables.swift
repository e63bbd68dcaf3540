import Cryptography
import Glibc
import System

/// The variables of Secrets Bridge (`SB_…`), one of which may be a master key, after they have left the environment of this
/// process.
enum OwnVariables {
    private static let prefix = "SB_"
    private static let equalsSign = Int32(UInt8(ascii: "="))

    /// The values, each with its terminating NUL.
    private static let values = Locked<[String: SharedSecret]>([:])

    /// Moves the variables into secret memory. Their old memory is zeroed: the kernel shows it in `/proc/PID/environ`, and
    /// unsetenv(3) leaves it as it is.
    static func take() {
        var found: [String: SharedSecret] = [:]
        var next = environ
        while let entry = next.pointee {
            next += 1
            guard strncmp(entry, prefix, prefix.utf8.count) == 0, let equals = strchr(entry, equalsSign)
            else { continue }
            let name = UnsafeRawBufferPointer(start: entry, count: equals - entry)
            let value = UnsafeMutableRawBufferPointer(start: equals + 1, count: strlen(equals + 1))
            // getenv(3) returns the first of several.
            let key = String(decoding: name, as: UTF8.self)
            if found[key] == nil { found[key] = SharedSecret(terminated(UnsafeRawBufferPointer(value))) }
            if let start = value.baseAddress { explicit_bzero(start, value.count) }
        }
        for name in found.keys { unsetenv(name) }
        keep(found)
    }

    /// Keeps values, each with its terminating NUL.
    static func keep(_ found: [String: SharedSecret]) {
        values.withLock { $0.merge(found) { $1 } }
    }

    /// Calls `body` with the value of a variable, or with nil if it is not set.
    static func read(_ name: String, _ body: (UnsafePointer<CChar>?) -> Void) {
        guard let taken = values.withLock({ $0[name] }) else { return body(getenv(name)) }
        taken.bytes.withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress) }
    }

    /// Drops the values of variables, whose memory is zeroed. Later reads find nothing.
    static func forget(_ names: [String]) {
        values.withLock { values in for name in names { values[name] = nil } }
    }

    private static func terminated(_ value: UnsafeRawBufferPointer) -> SecretBytes {
        SecretBytes(count: value.count + 1) { $0.copyMemory(from: value) }
    }
}
