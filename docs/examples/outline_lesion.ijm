// Outlines the lesion of an open image, and measures it: a macro for ImageJ and Fiji.
//
// It calls the command skinseg, which needs no torch with an exported network, and takes the mask
// that comes back as a selection of the image. For research only, not a medical device.
//
// Without a window: java -jar ij.jar -batch outline_lesion.ijm "photo.jpg,malunet.onnx,results"

arguments = split(getArgument(), ",");
if (arguments.length == 3) {
    open(arguments[0]);
    network = arguments[1];
    folder = arguments[2] + File.separator;
} else {
    network = File.openDialog("The exported network, such as malunet.onnx");
    folder = getDirectory("Where the mask goes");
}
photograph = getImageID();
name = File.nameWithoutExtension;
input = folder + "seen" + File.separator;
File.makeDirectory(input);

// As it is on the screen, with all that was cropped or turned.
run("Duplicate...", "title=seen");
saveAs("png", input + name + ".png");
close();

// An old mask would be taken for the answer where there is none.
mask = folder + name + "_mask.png";
if (File.exists(mask)) {
    deleted = File.delete(mask);
}
answer = exec("skinseg", "predict", input + name + ".png", "--model", network, "--output", folder);
if (!File.exists(mask)) {
    exit("skinseg could not segment the image:\n" + answer);
}

open(mask);
setThreshold(255, 255);
run("Create Selection");
found = selectionType() >= 0;
close();
selectImage(photograph);
if (!found) {
    exit("There is no lesion in the mask.");
}
run("Restore Selection");
roiManager("add");
run("Set Measurements...", "area perimeter feret's shape redirect=None decimal=3");
run("Measure");
saveAs("Results", folder + name + "_measurements.csv");
