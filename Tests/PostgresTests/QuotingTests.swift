import Postgres
import Testing

@Suite struct QuotingTests {
    @Test(
        "an identifier is quoted whatever its characters",
        arguments: [
            ("users", "\"users\""), ("My Table", "\"My Table\""), ("a\"b", "\"a\"\"b\""), ("", "\"\""),
            ("naïve ☃", "\"naïve ☃\""), ("a\"\u{301}b", "\"a\"\"\u{301}b\""),
        ])
    func identifier(name: String, expected: String) {
        #expect(quoteIdentifier(name) == expected)
    }

    @Test(
        "a literal is quoted whatever its characters",
        arguments: [
            ("plain", "'plain'"), ("it's", "'it''s'"), ("C:\\x", " E'C:\\\\x'"), ("\\'", " E'\\\\'''"), ("", "''"),
        ])
    func literal(text: String, expected: String) {
        #expect(quoteLiteral(text) == expected)
    }

    @Test(
        "a qualified name is read as people write it",
        arguments: [
            ("activities", nil, "activities"), ("audit.activities", "audit", "activities"),
            ("Activity", nil, "Activity"), (" audit . Activity ", "audit", "Activity"),
            ("\"My Schema\".\"My Table\"", "My Schema", "My Table"), ("\"a.b\"", nil, "a.b"),
            ("public.\"say \"\"hi\"\"\"", "public", "say \"hi\""), ("My Table", nil, "My Table"),
            ("\" padded \"", nil, " padded "),
        ] as [(String, String?, String)])
    func qualifiedName(text: String, schema: String?, name: String) throws {
        let parsed = try QualifiedName(text)
        #expect(parsed == QualifiedName(schema: schema, name: name))
        #expect(try QualifiedName(parsed.description) == parsed)
    }

    @Test(
        "a text that is no name says why",
        arguments: [
            ("", .emptyPart), ("audit.", .emptyPart), (".x", .emptyPart), ("\"\"", .emptyPart),
            ("\"open", .unclosedQuote), ("\"a\"b", .textAfterQuote), ("a\"b", .quoteInside), ("a.b.c", .tooManyParts),
            ("a\0b", .containsNUL),
        ] as [(String, QualifiedNameError)])
    func badName(text: String, error: QualifiedNameError) {
        #expect(throws: error) { try QualifiedName(text) }
    }

    @Test("a name in SQL has every part in quotes")
    func sql() {
        #expect(QualifiedName(schema: "My \"S\"", name: "T").sql == "\"My \"\"S\"\"\".\"T\"")
        #expect(QualifiedName(name: "T").sql == "\"T\"")
    }
}
