import io.minio.ComposeObjectArgs;
import io.minio.ComposeSource;
import io.minio.CopyObjectArgs;
import io.minio.CopySource;
import io.minio.GetObjectArgs;
import io.minio.ListObjectsArgs;
import io.minio.MinioClient;
import io.minio.PutObjectArgs;
import io.minio.RemoveObjectArgs;
import io.minio.Result;
import io.minio.messages.Item;
import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The minio client for Java: the same round trip. URL HOME */
public final class MinioJava {
    public static void main(String[] words) throws Exception {
        String bucket = Clients.BUCKET;
        Clients place = new Clients(words[0], words[1]);
        MinioClient api = MinioClient.builder().endpoint(words[0]).region("eu-south-2")
                .credentials("any-key", "any-secret").build();
        Map<String, byte[]> wanted = new HashMap<>(Map.of("minio/in parts.bin", place.large));
        place.below("before").forEach((key, data) -> wanted.put(key.replaceFirst("before", "minio"), data));
        for (var entry : wanted.entrySet()) {
            byte[] data = entry.getValue();
            api.putObject(PutObjectArgs.builder().bucket(bucket).object(entry.getKey())
                    .stream(new ByteArrayInputStream(data), data.length, 5 << 20).build());
            place.stored(entry.getKey(), data);
            try (var got = api.getObject(GetObjectArgs.builder().bucket(bucket).object(entry.getKey()).build())) {
                Clients.check(Arrays.equals(got.readAllBytes(), data), entry.getKey());
            }
        }
        api.putObject(PutObjectArgs.builder().bucket(bucket).object("new/stream")
                .stream(new ByteArrayInputStream(place.large), -1, 5 << 20).build());
        place.stored("new/stream", place.large);
        for (boolean first : new boolean[] {true, false}) {
            List<String> found = new ArrayList<>();
            for (Result<Item> item : api.listObjects(ListObjectsArgs.builder().bucket(bucket).prefix("many/")
                    .recursive(true).useApiVersion1(first).build())) {
                found.add(item.get().objectName());
            }
            Collections.sort(found);
            List<String> there = new ArrayList<>(place.below("many").keySet());
            Collections.sort(there);
            Clients.check(found.equals(there), "list of version " + (first ? 1 : 2));
        }
        api.copyObject(CopyObjectArgs.builder().bucket(bucket).object("new/copy")
                .source(CopySource.builder().bucket(bucket).object("minio/with some spaces.txt").build()).build());
        place.stored("new/copy", wanted.get("minio/with some spaces.txt"));
        api.composeObject(ComposeObjectArgs.builder().bucket(bucket).object("new/composed")
                .sources(List.of(ComposeSource.builder().bucket(bucket).object("new/stream").build(),
                        ComposeSource.builder().bucket(bucket).object("new/copy").build())).build());
        byte[] composed = Files.readAllBytes(Path.of(words[1], bucket, "new/composed"));
        Clients.check(composed.length == place.large.length + wanted.get("minio/with some spaces.txt").length,
                "composed: " + composed.length);
        for (String key : wanted.keySet()) {
            api.removeObject(RemoveObjectArgs.builder().bucket(bucket).object(key).build());
        }
        Clients.check(place.below("minio").isEmpty(), "left: " + place.below("minio").keySet());
    }
}
