// The unmodified Trino JDBC driver against a running lakehouse.
//
//     java -cp trino-jdbc-476.jar TrinoJdbc.java http://127.0.0.1:8080
//
// Prints one line per check and ends with status 1 at the first that fails.

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Objects;
import java.util.Properties;

public class TrinoJdbc {
    static void check(String name, Object found, Object expected) {
        if (!Objects.equals(found, expected)) {
            System.out.println("FAILED " + name + ": found " + found + ", expected " + expected);
            System.exit(1);
        }
        System.out.println("ok " + name);
    }

    /** A subquery with 10^digits rows n. */
    static String numbers(int digits) {
        StringBuilder value = new StringBuilder("0");
        StringBuilder tables = new StringBuilder();
        for (int i = 0; i < digits; i++) {
            value.append(" + d").append(i).append(".x * ").append((long) Math.pow(10, i));
            tables.append(i == 0 ? "" : " CROSS JOIN ").append("(VALUES 0, 1, 2, 3, 4, 5, 6, 7, 8, 9) d").append(i).append("(x)");
        }
        return "(SELECT CAST(" + value + " AS BIGINT) AS n FROM " + tables + ")";
    }

    static Connection connect(String url, String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", "check");
        for (int i = 0; i + 1 < options.length; i += 2) {
            properties.setProperty(options[i], options[i + 1]);
        }
        return DriverManager.getConnection(url.replace("http://", "jdbc:trino://") + "/lake", properties);
    }

    static long sum(Connection connection, int digits) throws SQLException {
        long total = 0;
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT n, CAST(n AS varchar) || ' some text' AS s FROM " + numbers(digits))) {
            while (rows.next()) {
                total += rows.getLong(1);
            }
        }
        return total;
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0];
        try (Connection connection = connect(url)) {
            DatabaseMetaData about = connection.getMetaData();
            check("version", about.getDatabaseMajorVersion(), 476);
            try (Statement statement = connection.createStatement();
                    ResultSet row = statement.executeQuery("SELECT 1, 1.5e0, DECIMAL '1.20', 'é', TIMESTAMP '2024-01-02 03:04:05.123456', DATE '2024-01-02', X'00ff', ARRAY[1, 2], NULL")) {
                row.next();
                check("integer", row.getInt(1), 1);
                check("double", row.getDouble(2), 1.5);
                check("decimal", row.getBigDecimal(3), new BigDecimal("1.20"));
                check("varchar", row.getString(4), "é");
                check("timestamp", row.getTimestamp(5).toString(), "2024-01-02 03:04:05.123456");
                check("date", row.getDate(6).toString(), "2024-01-02");
                check("varbinary", row.getBytes(7).length, 2);
                check("array", ((Object[]) row.getArray(8).getArray()).length, 2);
                check("null", row.getObject(9), null);
            }
            try (Statement statement = connection.createStatement()) {
                check("no rows", statement.execute("CREATE SCHEMA lake.jdbc"), false);
                check("create", statement.executeUpdate("CREATE TABLE lake.jdbc.t AS SELECT 1 AS a, 'x' AS b"), 1);
                check("insert", statement.executeUpdate("INSERT INTO lake.jdbc.t SELECT 2, 'y'"), 1);
            }
            try (PreparedStatement statement = connection.prepareStatement("SELECT b FROM lake.jdbc.t WHERE a = ? OR b = ?")) {
                statement.setInt(1, 2);
                statement.setString(2, "it's");
                ResultSet rows = statement.executeQuery();
                rows.next();
                check("prepared", rows.getString(1), "y");
                check("columns of a prepared statement", statement.getMetaData().getColumnCount(), 1);
            }
            connection.setSchema("jdbc");
            try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery("SELECT count(*) FROM t")) {
                rows.next();
                check("schema", rows.getLong(1), 2L);
            }
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery("SELECT nope");
                check("error", "none", "COLUMN_NOT_FOUND");
            } catch (SQLException error) {
                check("error", error.getErrorCode(), 47);
            }
            check("segments", sum(connection, 6), 999_999L * 1_000_000 / 2);
        }
        for (String encoding : new String[] {"json", "json+lz4", "json+zstd"}) {
            try (Connection connection = connect(url, "encoding", encoding)) {
                check("segments of " + encoding, sum(connection, 5), 99_999L * 100_000 / 2);
            }
        }
        try (Connection connection = connect(url, "explicitPrepare", "false");
                PreparedStatement statement = connection.prepareStatement("SELECT ? + 1")) {
            statement.setLong(1, 41);
            ResultSet rows = statement.executeQuery();
            rows.next();
            check("immediate", rows.getLong(1), 42L);
        }
        try (Connection connection = connect(url); ResultSet tables = connection.getMetaData().getTables("lake", "jdbc", "%", null)) {
            check("tables", tables.next() ? tables.getString("TABLE_NAME") : null, "t");
        } catch (SQLException error) {
            // The tables of `system.jdbc` are not part of the door.
            System.out.println("NOT THERE: " + error.getMessage());
        }
    }
}
