import java.io.InputStream;
import java.net.URI;
import javax.net.ssl.HttpsURLConnection;

/** Fetches each address as programs in Java do, with the key store of trusted certificates that the properties name. */
class Fetch {
    public static void main(String[] args) throws Exception {
        for (String address : args) {
            HttpsURLConnection c = (HttpsURLConnection) URI.create(address).toURL().openConnection();
            c.setConnectTimeout(20_000);
            c.setReadTimeout(20_000);
            try (InputStream in = c.getInputStream()) {
                System.out.println("good " + address + " " + in.readAllBytes().length);
            } catch (javax.net.ssl.SSLException e) {
                System.out.println("bad " + address + " " + e.getMessage());
            }
        }
    }
}
