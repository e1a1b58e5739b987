import Postgres
import Testing

@Suite struct EnvFileTests {
    @Test(
        "a value means what it means to dotenv",
        arguments: [
            ("A=plain", "plain"),
            ("A=", ""),
            ("A = spaced  ", "spaced"),
            ("   A=indented", "indented"),
            ("\tA\t=\ttabs\t", "tabs"),
            ("export A=exported", "exported"),
            ("export  A = exported", "exported"),
            ("A: yaml", "yaml"),
            ("A=a b c", "a b c"),
            ("A=it's", "it's"),
            ("A=b=c==", "b=c=="),
            ("A=value # comment", "value"),
            ("A=value#comment", "value"),
            ("A='kept # as is'", "kept # as is"),
            ("A=\"kept # as is\" # comment", "kept # as is"),
            ("A='single' ", "single"),
            ("A=' padded '", " padded "),
            ("A=`it's a \"mix\"`", "it's a \"mix\""),
            ("A=\"it's\"", "it's"),
            ("A='say \"hi\"'", "say \"hi\""),
            ("A=''", ""),
            ("A=\"\"", ""),
            ("A=\"line\\nbreak\\r\"", "line\nbreak\r"),
            ("A='no\\nbreak'", "no\\nbreak"),
            ("A=no\\nbreak", "no\\nbreak"),
            ("A=\"esc\\\"aped\"", "esc\\\"aped"),
            ("A='back\\'", "back\\"),
            ("A=\"two\nlines\"", "two\nlines"),
            ("A='two\nlines'\nB=x", "two\nlines"),
            ("A=\"two\r\nlines\"\r\n", "two\nlines"),
            ("A=crlf\r\nB=x\r\n", "crlf"),
            ("A=cr\rB=x", "cr"),
            ("A=\"unclosed", "\"unclosed"),
            ("A=\"x\"y", "\"x\"y"),
            ("A=\"x\"y\"", "x\"y"),
            ("A={\"json\": true}", "{\"json\": true}"),
            ("\u{FEFF}A=bom", "bom"),
            ("A=first\nA=second", "second"),
            ("# A=no\nA=yes", "yes"),
            ("not an assignment\nA=yes", "yes"),
            ("A=postgresql://app:p%40ss@h:5432/erp?schema=public", "postgresql://app:p%40ss@h:5432/erp?schema=public"),
            ("A=héllo ☃", "héllo ☃"),
        ])
    func value(text: String, expected: String) {
        #expect(EnvFile.parse(text)["A"] == expected)
    }

    @Test(
        "references are expanded outside of single quotes",
        arguments: [
            ("A=${B}", "b"), ("A=\"${B}-$B\"", "b-b"), ("A='${B}'", "${B}"), ("A=`$B`", "$B"),
            ("A=$B/x", "b/x"), ("A=${NONE}", ""), ("A=${NONE:-d}", "d"), ("A=${NONE-d}", "d"), ("A=${EMPTY:-d}", "d"),
            ("A=${EMPTY-d}", ""), ("A=${NONE:-${B}}", "b"), ("A=\\$B", "$B"), ("A=\"\\${B}\"", "${B}"),
            ("A=pa$word", "pa$word"), ("A=pa$", "pa$"), ("A=pa$$B", "pa$b"), ("A=${B", "${B"), ("A=${C}", "x b y"),
            ("A=${SYSTEM}", "from the process"), ("A=${LATER}", "later"), ("A=${ODD}", "$B"),
            ("A=${A}", ""), ("A=${LOOP}", "[]"),
        ])
    func expansion(text: String, expected: String) {
        let rest = "\nB=b\nC=\"x ${B} y\"\nEMPTY=\nSYSTEM=from the file\nLATER=later\nODD='$B'\nLOOP=[${A}]"
        #expect(EnvFile.parse(text + rest, environment: ["SYSTEM": "from the process"])["A"] == expected)
    }

    @Test("a whole file is read, other lines passed over")
    func wholeFile() {
        let text = """
            # Database
            DATABASE_URL="postgresql://${DB_USER}:${DB_PASS}@localhost:5432/school_erp?schema=public"
            DB_USER=app
            DB_PASS='p$ss#1'

            export EMAIL_SERVICE=gmail
            EMAIL_PASSWORD=
            == nonsense ==
            KEY="-----BEGIN-----
            abc=
            -----END-----"
            FRONTEND_URL=http://localhost:3000
            """
        #expect(
            EnvFile.parse(text) == [
                "DATABASE_URL": "postgresql://app:p$ss#1@localhost:5432/school_erp?schema=public", "DB_USER": "app",
                "DB_PASS": "p$ss#1", "EMAIL_SERVICE": "gmail", "EMAIL_PASSWORD": "",
                "KEY": "-----BEGIN-----\nabc=\n-----END-----", "FRONTEND_URL": "http://localhost:3000",
            ])
        #expect(EnvFile.parse("").isEmpty)
    }
}
