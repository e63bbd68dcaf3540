package import Cryptography
package import Glibc

/// The writable memory of a process (proc(5)). That of another process is readable for root alone.
package struct ProcessMemory {
    private let folder: String

    /// - Parameter process: The process, or nil for this one.
    package init(of process: pid_t? = nil) {
        folder = process.map { "/proc/\($0)" } ?? "/proc/self"
    }

    /// Returns the name of the mapping of each copy of `secret`, for example `[heap]`; mappings without a name are `anonymous`.
    package func copies(of secret: SharedSecret) throws -> [String] {
        let memory = open("\(folder)/mem", O_RDONLY | O_CLOEXEC)
        guard memory >= 0 else { throw MemoryNotReadable(errno: errno) }
        defer { close(memory) }
        let window = 1 << 20
        // Windows overlap by the length of the secret.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: window + secret.count, alignment: 16)
        defer { buffer.deallocate() }
        let own = UInt(bitPattern: buffer.baseAddress)
        let isOwn = folder == "/proc/self"
        var found: [String] = []
        for mapping in try mappings() {
            var address = mapping.start
            while address < mapping.end {
                let length = min(buffer.count, Int(mapping.end - address))
                let got = pread(memory, buffer.baseAddress, length, off_t(address))
                guard got > 0 else { break }
                let read = UnsafeRawBufferPointer(rebasing: buffer[..<got])
                for offset in secret.bytes.withUnsafeBytes({ offsets(of: $0, in: read) })
                where offset < window {
                    // The buffer of this search does not count.
                    let place = address + UInt(offset)
                    if !isOwn || !(own..<own + UInt(buffer.count)).contains(place) {
                        found.append(mapping.name)
                    }
                }
                if let base = buffer.baseAddress { memset(base, 0, got) }
                address += UInt(window)
            }
        }
        return found
    }

    private func mappings() throws -> [(start: UInt, end: UInt, name: String)] {
        guard let maps = fopen("\(folder)/maps", "r") else { throw MemoryNotReadable(errno: errno) }
        defer { fclose(maps) }
        var mappings: [(start: UInt, end: UInt, name: String)] = []
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), maps) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split { $0 == " " || $0 == "\n" }
            let bounds = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            // A larger mapping is a sanitizer's shadow memory.
            guard words[1].hasPrefix("rw"), bounds.count == 2, bounds[1] - bounds[0] < 1 << 32 else {
                continue
            }
            mappings.append((bounds[0], bounds[1], words.count > 5 ? String(words[5]) : "anonymous"))
        }
        return mappings
    }
}

/// Returns where each copy of `pattern` begins. With memchr(3), because a debug build compares megabytes slowly.
package func offsets(of pattern: UnsafeRawBufferPointer, in bytes: UnsafeRawBufferPointer) -> [Int] {
    guard let base = bytes.baseAddress, let needle = pattern.baseAddress, !pattern.isEmpty else { return [] }
    var found: [Int] = []
    var offset = 0
    while bytes.count - offset >= pattern.count,
        let next = memchr(base + offset, Int32(pattern[0]), bytes.count - offset)
    {
        let start = UnsafeRawPointer(next) - base
        if bytes.count - start >= pattern.count, memcmp(next, needle, pattern.count) == 0 {
            found.append(start)
        }
        offset = start + 1
    }
    return found
}

package struct MemoryNotReadable: Error {
    package let errno: Int32
}
