import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.security.KeyStore;
import java.util.Collections;

/**
 * Says for each of many files whether Java takes it as a keystore of type JKS, and opens every key in it.
 *
 * Starting keytool costs more than all that it then does, so what it calls is called here. Standard input: for each
 * file its length in four octets and the file; the password is the first argument. Standard output: for each a 1 or a 0.
 */
public class Keystore {
    public static void main(String[] args) throws Exception {
        char[] password = args[0].toCharArray();
        DataInputStream in = new DataInputStream(System.in);
        StringBuilder out = new StringBuilder();
        try {
            while (true) {
                byte[] data = new byte[in.readInt()];
                in.readFully(data);
                out.append(takes(data, password) ? '1' : '0');
            }
        } catch (EOFException end) {
            System.out.print(out);
        }
    }

    static boolean takes(byte[] data, char[] password) {
        try {
            KeyStore store = KeyStore.getInstance("JKS");
            store.load(new ByteArrayInputStream(data), password);
            for (String alias : Collections.list(store.aliases())) {
                if (store.isKeyEntry(alias)) {
                    store.getKey(alias, password);
                }
            }
            return store.size() > 0;
        } catch (Exception | OutOfMemoryError refused) {
            return false;
        }
    }
}
