/// A name as SQL takes it whatever its characters: in double quotes, inner ones doubled (PostgreSQL 4.1.1).
///
/// Always quoted, because an unquoted name is folded to lower case and may be a key word.
package func quoteIdentifier(_ name: String) -> String {
    "\"" + doubling("\"", in: name) + "\""
}

/// A text as a string constant, right whatever `standard_conforming_strings` says (PostgreSQL 4.1.2.1).
///
/// Only for statements that take no parameters, such as `SET` and `CREATE ROLE`; elsewhere use ``PostgresParameter``.
package func quoteLiteral(_ text: String) -> String {
    let quotesDoubled = doubling("'", in: text)
    guard text.unicodeScalars.contains("\\") else { return "'" + quotesDoubled + "'" }
    // The leading blank keeps a preceding key word and the E apart, as quote_literal() of the server does.
    return " E'" + doubling("\\", in: quotesDoubled) + "'"
}

private func doubling(_ mark: Unicode.Scalar, in text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        result.append(scalar)
        if scalar == mark { result.append(scalar) }
    }
    return String(result)
}
