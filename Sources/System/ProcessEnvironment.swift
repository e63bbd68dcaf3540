import Glibc

/// The environment that the process may show to others: to a kubeconfig's plugins, for one. Our own
/// settings (`SB_…`) are left out, because a master key may be among them.
package func inheritableEnvironment() -> [String: String] {
    var values: [String: String] = [:]
    var next = environ
    while let pointer = next.pointee {
        defer { next += 1 }
        guard strncmp(pointer, "SB_", 3) != 0, let equals = strchr(pointer, Int32(UInt8(ascii: "="))) else {
            continue
        }
        let name = UnsafeRawBufferPointer(start: pointer, count: equals - pointer)
        values[String(decoding: name, as: UTF8.self)] = String(cString: equals + 1)
    }
    return values
}
