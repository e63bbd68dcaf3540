/// A type that initialises itself from JSON. The Swift types bound how deep reading recurses: values that
/// no type reads are skipped without recursion.
public protocol JSONReadable {
    init(json: inout JSONReader) throws(JSONError)
}

extension JSONReader {
    @inlinable
    public mutating func read<Value: JSONReadable>(_ type: Value.Type = Value.self) throws(JSONError)
        -> Value
    {
        try Value(json: &self)
    }

    /// Returns nil for a null.
    @inlinable
    public mutating func readOptional<Value: JSONReadable>(
        _ type: Value.Type = Value.self
    ) throws(JSONError) -> Value? {
        try consumeNull() ? nil : try Value(json: &self)
    }

    /// Returns nil for a value of another shape, which is skipped.
    ///
    /// - Throws: only syntax errors, after which nothing more can be read.
    @inlinable
    public mutating func attempt<Value>(
        _ read: (inout JSONReader) throws(JSONError) -> Value
    ) throws(JSONError) -> Value? {
        let start = position
        do {
            return try read(&self)
        } catch  where !error.isSyntax {
            rewind(to: start)
            try skipValue()
            return nil
        }
    }

    /// Returns nil for a value that is not a `Value`, which is skipped.
    @inlinable
    public mutating func readIfValid<Value: JSONReadable>(
        _ type: Value.Type = Value.self
    ) throws(JSONError) -> Value? {
        try attempt { json throws(JSONError) in try Value(json: &json) }
    }

    /// Returns the value of a member, or throws `missing` if it is nil.
    @inlinable
    public func require<Value>(_ value: Value?, _ key: StaticString) throws(JSONError) -> Value {
        guard let value else { throw error(.missing).prefixingPath(.key("\(key)")) }
        return value
    }
}

extension String: JSONReadable {
    @inlinable
    public init(json: inout JSONReader) throws(JSONError) { self = try json.readString() }
}

extension Bool: JSONReadable {
    @inlinable
    public init(json: inout JSONReader) throws(JSONError) { self = try json.readBool() }
}

extension Int64: JSONReadable {
    @inlinable
    public init(json: inout JSONReader) throws(JSONError) { self = try json.readInteger() }
}

extension Int: JSONReadable {
    @inlinable
    public init(json: inout JSONReader) throws(JSONError) {
        guard let value = Int(exactly: try json.readInteger()) else { throw json.error(.outOfRange) }
        self = value
    }
}

extension Array: JSONReadable where Element: JSONReadable {
    @inlinable
    public init(json: inout JSONReader) throws(JSONError) {
        var elements: [Element] = []
        try json.readArray { json throws(JSONError) in elements.append(try json.read()) }
        self = elements
    }
}

extension Dictionary: JSONReadable where Key == String, Value: JSONReadable {
    @inlinable
    public init(json: inout JSONReader) throws(JSONError) {
        var values: [String: Value] = [:]
        try json.readObject { key, json throws(JSONError) in
            values[try json.text(of: key)] = try json.read()
        }
        self = values
    }
}
